//! The tree of a packet that nobody answered: a root, the segments that it passed on this node, and
//! a last child for where it was lost. It ends when the packet was given up.

use super::attributes::outcome;
use super::identifier;
use super::tree::Tree;
use super::{Context, Kind, OtherEnd, Span};
use crate::export::names::point_name;
use crate::latency::{Half, Lost, Side};

/// Spans of a lost packet, root first. Root and last child are errors. No other node knows of the
/// trace: what both would derive it from is the reply.
#[must_use]
pub fn lost_spans(lost: &Lost, context: &Context<'_>) -> Vec<Span> {
    let trip = &lost.trip;
    let (Some(first), Some(last)) = (trip.sightings.first(), trip.sightings.last()) else {
        return Vec::new();
    };
    let context = &Context {
        other_end: OtherEnd::Nobody,
        ..*context
    };
    let tree = Tree { trip, context };
    let (kind, id) = match trip.side {
        Side::Source => (Kind::Client, identifier::client(&trip.identity)),
        Side::Destination => (Kind::Server, identifier::server(&trip.identity)),
        Side::Transit => return Vec::new(),
    };
    let what = match lost.half {
        Half::Data => "packet",
        Half::Reply => "reply",
    };
    let place = point_name(lost.last_seen);
    let error = format!("no reply: the {what} was last seen at the {place}");
    let mut root = tree.root(first, kind, id, None);
    root.name = root.name.replace("round trip", "no reply").into();
    root.error = Some(error.clone().into());
    root.attributes.retain(|known| {
        let added = outcome(lost);
        added.iter().all(|one| one.name != known.name)
    });
    root.attributes.extend(outcome(lost));
    let mut spans = vec![root];
    let data = trip.sightings.windows(2);
    spans.extend(data.filter_map(|pair| tree.data(pair, id)));
    let mut end = tree.beyond(last, id);
    if lost.half == Half::Reply {
        end.name = format!("{place} > {}", point_name(last.point)).into();
    }
    end.error = Some(error.into());
    spans.push(end);
    spans
}

#[cfg(test)]
mod tests;
