//! The tree of one round trip: root, and per pair of consecutive points one span with the data and
//! one with the reply, and what lies beyond the last point. The children tile the root.

use std::borrow::Cow;

use super::attributes::{place, root};
use super::identifier::{self, Part};
use super::{Context, Kind, Span};
use crate::export::names::point_name;
use crate::latency::{RoundTrip, Side, Sighting};
use crate::path::Class;

/// Spans of one side of a round trip, root first; empty if no point saw it.
#[must_use]
pub fn spans(trip: &RoundTrip, context: &Context<'_>) -> Vec<Span> {
    let (Some(first), Some(last)) = (trip.sightings.first(), trip.sightings.last()) else {
        return Vec::new();
    };
    let tree = Tree { trip, context };
    let (mut spans, parent) = match trip.side {
        Side::Source => {
            let id = identifier::client(&trip.identity);
            (vec![tree.root(first, Kind::Client, id, None)], id)
        }
        Side::Destination => {
            let id = identifier::server(&trip.identity);
            let parent = Some(identifier::client(&trip.identity));
            (vec![tree.root(first, Kind::Server, id, parent)], id)
        }
        Side::Transit => (Vec::new(), identifier::client(&trip.identity)),
    };
    let data = trip.sightings.windows(2);
    spans.extend(data.filter_map(|pair| tree.data(pair, parent)));
    if trip.sightings.len() > 1 || spans.is_empty() {
        spans.push(tree.beyond(last, parent));
    }
    let reply = trip.sightings.windows(2).rev();
    spans.extend(reply.filter_map(|pair| tree.reply(pair, parent)));
    spans
}

pub(super) struct Tree<'a> {
    pub(super) trip: &'a RoundTrip,
    pub(super) context: &'a Context<'a>,
}

impl Tree<'_> {
    pub(super) fn root(
        &self,
        at: &Sighting,
        kind: Kind,
        id: [u8; 8],
        parent: Option<[u8; 8]>,
    ) -> Span {
        let class = self.context.path.and_then(|path| path.class);
        let class = class.unwrap_or(Class::Unknown).name();
        let what = if parent.is_none() {
            "round trip"
        } else {
            "answer"
        };
        Span {
            kind,
            parent,
            attributes: root(self.trip, at, self.context),
            ..self.span(
                id,
                format!("{class} {what}").into(),
                (at.forward_time(), at.reply_time),
            )
        }
    }

    pub(super) fn data(&self, pair: &[Sighting], parent: [u8; 8]) -> Option<Span> {
        let [near, far] = pair else { return None };
        let times = (near.forward_time(), far.forward_time());
        Some(self.child(near, Some(far), Part::Data, times, parent))
    }

    fn reply(&self, pair: &[Sighting], parent: [u8; 8]) -> Option<Span> {
        let [near, far] = pair else { return None };
        let times = (far.reply_time, near.reply_time);
        Some(self.child(near, Some(far), Part::Reply, times, parent))
    }

    pub(super) fn beyond(&self, last: &Sighting, parent: [u8; 8]) -> Span {
        let times = (last.forward_time(), last.reply_time);
        self.child(last, None, Part::Beyond, times, parent)
    }

    pub(super) fn child(
        &self,
        near: &Sighting,
        far: Option<&Sighting>,
        part: Part,
        times: (u64, u64),
        parent: [u8; 8],
    ) -> Span {
        let Self { trip, context } = self;
        let id = identifier::internal(&trip.identity, context.node, trip.side, near.point, part);
        let [from, to] = match part {
            Part::Data | Part::Beyond => [Some(near), far],
            Part::Reply => [far, Some(near)],
        }
        .map(|sighting| sighting.map(|sighting| sighting.point));
        let name = match (from.map(point_name), to.map(point_name)) {
            (Some("pod"), None) if trip.side == Side::Destination => "inside pod".into(),
            (Some(from), Some(to)) => format!("{from} > {to}").into(),
            (from, to) => format!("beyond {}", from.or(to).unwrap_or_default()).into(),
        };
        Span {
            parent: Some(parent),
            attributes: place(trip, (near, far), from, part, context),
            ..self.span(id, name, times)
        }
    }

    fn span(&self, span_id: [u8; 8], name: Cow<'static, str>, times: (u64, u64)) -> Span {
        let clock = self.context.clock;
        let start = clock.wall(times.0);
        Span {
            trace_id: self.trip.identity.trace_id(),
            span_id,
            parent: None,
            kind: Kind::Internal,
            name,
            start,
            // Armed times are rounded to 1,024 ns, so that a near point can seem later.
            end: clock.wall(times.1).max(start),
            error: None,
            attributes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
