//! What several nodes say of one path as one report: the node of the source counts, the others tell
//! which node they are. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::export::Ledger;
use crate::path::PathReport;

/// Source, destination, class; of collected traffic the class alone.
type Identity = (Option<IpAddr>, Option<IpAddr>, Option<&'static str>);

/// Reports and ledgers of the nodes so far.
#[derive(Default)]
pub(super) struct Joined {
    paths: BTreeMap<Identity, PathReport>,
    ledger: Ledger,
}

impl Joined {
    pub(super) fn add(&mut self, paths: Vec<PathReport>, ledger: Ledger) {
        for report in paths {
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
        for (name, count) in ledger {
            *self.ledger.entry(name).or_default() += count;
        }
    }

    /// Reports in order of source, destination and class, and the sums of the ledgers.
    pub(super) fn finish(self) -> (Vec<PathReport>, Ledger) {
        (self.paths.into_values().collect(), self.ledger)
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
