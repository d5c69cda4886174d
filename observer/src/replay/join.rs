//! What several nodes say of one path as one report, and of one round trip as one trace: the node of the
//! source counts, the others tell which node they are. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Told;
use crate::export::Ledger;
use crate::export::span::Span;
use crate::path::{Class, PathReport, RelayMode};

/// Source, destination, class without mode; of collected traffic the class alone.
type Identity = (Option<IpAddr>, Option<IpAddr>, Option<Class>);

/// Reports and ledgers of the nodes so far.
#[derive(Default)]
pub(super) struct Joined {
    /// One report per mode.
    paths: BTreeMap<Identity, Vec<PathReport>>,
    spans: Vec<Span>,
    ledger: Ledger,
}

impl Joined {
    pub(super) fn add(&mut self, told: Told) {
        self.spans.extend(told.spans);
        for report in told.paths {
            let ends = (report.source.address, report.destination.address);
            let known = self.paths.entry((ends.0, ends.1, report.class));
            let known = known.or_default();
            let place = known.iter().position(|known| may_be_one(known, &report));
            let joined = match place.map(|place| known.remove(place)) {
                None => report,
                Some(known) if ends == (None, None) => sum(known, &report),
                Some(known) if report.source_is_local => join(report, &known),
                Some(known) => join(known, &report),
            };
            known.push(joined);
        }
        for (name, count) in told.ledger {
            *self.ledger.entry(name).or_default() += count;
        }
    }

    /// Reports in order of source, destination and class; spans by trace, that of the data's sender
    /// first; and the sums of the ledgers.
    pub(super) fn finish(mut self) -> Told {
        let mut paths: Vec<_> = self.paths.into_values().flatten().collect();
        paths.sort_by_key(|path| {
            let ends = (path.source.address, path.destination.address);
            (ends, path.class_name())
        });
        self.spans
            .sort_by_key(|span| (span.trace_id, span.parent.is_some(), span.start));
        Told {
            paths,
            spans: self.spans,
            ledger: self.ledger,
        }
    }
}

/// A node that cannot tell how Tailscale carries a path has none to set against another's word.
fn may_be_one(one: &PathReport, other: &PathReport) -> bool {
    let is_open = |report: &PathReport| report.relay == RelayMode::Unknown;
    one.class_name() == other.class_name() || is_open(one) || is_open(other)
}

/// What `report` says, and beside it what only the other node knows.
fn join(mut report: PathReport, other: &PathReport) -> PathReport {
    let name = |own: &mut Option<String>, others: &Option<String>| {
        if own.is_none() {
            own.clone_from(others);
        }
    };
    name(&mut report.source.node, &other.source.node);
    name(&mut report.destination.node, &other.destination.node);
    if report.relay == RelayMode::Unknown {
        report.relay = other.relay;
        report.relay_by = other.relay_by;
        report.encapsulation.clone_from(&other.encapsulation);
    }
    name(&mut report.derp_region, &other.derp_region);
    name(&mut report.peer_relay, &other.peer_relay);
    let room = |report: &PathReport| report.mtu.as_ref().map_or(u32::MAX, |(room, _)| *room);
    if room(other) < room(&report) {
        report.mtu.clone_from(&other.mtu);
    }
    report.fragments.inner = report.fragments.inner.max(other.fragments.inner);
    report.fragments.vxlan = report.fragments.vxlan.max(other.fragments.vxlan);
    report.tcp = report.tcp.and(other.tcp);
    report.superseded &= other.superseded;
    report
}

/// Strangers' traffic of two nodes is not the same traffic.
fn sum(mut report: PathReport, other: &PathReport) -> PathReport {
    report.packets += other.packets;
    report.bytes += other.bytes;
    report.fragments.inner += other.fragments.inner;
    report.fragments.vxlan += other.fragments.vxlan;
    for (&point, seen) in &other.points {
        let sum = report.points.entry(point).or_default();
        sum.packets += seen.packets;
        sum.bytes += seen.bytes;
        if sum.rtt.is_none() {
            sum.rtt = seen.rtt;
        }
    }
    report
}
