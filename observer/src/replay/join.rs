//! What several nodes say of one path as one report, and of one round trip as one trace: the node of the source counts, the others tell
//! which node they are. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Told;
use crate::export::Ledger;
use crate::export::span::Span;
use crate::path::PathReport;

/// Source, destination, class; of collected traffic the class alone.
type Identity = (Option<IpAddr>, Option<IpAddr>, Option<&'static str>);

/// Reports and ledgers of the nodes so far.
#[derive(Default)]
pub(super) struct Joined {
    paths: BTreeMap<Identity, PathReport>,
    spans: Vec<Span>,
    ledger: Ledger,
}

impl Joined {
    pub(super) fn add(&mut self, told: Told) {
        self.spans.extend(told.spans);
        for report in told.paths {
            let ends = (report.source.address, report.destination.address);
            let identity = (ends.0, ends.1, report.class_name());
            let joined = match self.paths.remove(&identity) {
                None => report,
                Some(known) if ends == (None, None) => sum(known, &report),
                Some(known) if report.source_is_local => join(report, &known),
                Some(known) => join(known, &report),
            };
            self.paths.insert(identity, joined);
        }
        for (name, count) in told.ledger {
            *self.ledger.entry(name).or_default() += count;
        }
    }

    /// Reports in order of source, destination and class; spans by trace, that of the data's sender
    /// first; and the sums of the ledgers.
    pub(super) fn finish(mut self) -> Told {
        self.spans
            .sort_by_key(|span| (span.trace_id, span.parent.is_some(), span.start));
        Told {
            paths: self.paths.into_values().collect(),
            spans: self.spans,
            ledger: self.ledger,
        }
    }
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
    name(&mut report.derp_region, &other.derp_region);
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
