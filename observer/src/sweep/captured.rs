//! Reads the cells of one sweep of captures into the same plain values as the kernel's maps.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use observer_ebpf::abi::outer::{OuterKey, OuterKind};
use observer_ebpf::abi::point::Hook;

use super::read::ledger;
use super::{RowValue, Seen, Snapshot};
use crate::host::HostObserver;

/// Reads everything that `epoch` saw into `snapshot`. `told` is where tailscaled sends its datagrams, for a
/// capture that shows no marks.
pub fn read_captured(
    host: &HostObserver,
    snapshot: &mut Snapshot,
    epoch: u32,
    told: &BTreeSet<IpAddr>,
) {
    snapshot.seen = Seen::default();
    for (key, flow) in host.biflows() {
        snapshot.seen.add(&key, &flow, epoch);
    }
    snapshot.outer.begin();
    for (key, flow) in host.outer_flows() {
        snapshot.outer.add(as_marked(key, told), &flow);
    }
    snapshot.cross(Hook::ALL.map(|hook| host.tunnel(hook)));
    snapshot.rows.update(rows(host));
    snapshot.ledger = ledger(&host.counters());
}

/// What leaves towards one of its endpoints is tailscaled's own, and would bear its mark.
fn as_marked(key: OuterKey, told: &BTreeSet<IpAddr>) -> OuterKey {
    const OWN: [OuterKind; 7] = [
        OuterKind::WireGuard,
        OuterKind::WireGuardHandshake,
        OuterKind::Disco,
        OuterKind::OverlayWireGuard,
        OuterKind::OverlayControl,
        OuterKind::PeerRelay,
        OuterKind::PeerRelayControl,
    ];
    let is_own = key.hook == Hook::Egress as u8
        && OWN.iter().any(|&kind| key.kind == kind as u8)
        && told.contains(&key.destination.into());
    OuterKey {
        marked: key.marked | u8::from(is_own),
        ..key
    }
}

fn rows(host: &HostObserver) -> HashMap<u32, RowValue> {
    let mut rows: HashMap<u32, RowValue> = HashMap::new();
    for (row, traffic) in host.traffic().filter(|(_, row)| row.segments > 0) {
        rows.entry(row).or_default().add(&traffic);
    }
    for (row, histogram) in host.rtt() {
        rows.entry(row).or_default().rtt = histogram.buckets.to_vec();
    }
    for (row, fragments) in host.fragments() {
        let value = rows.entry(row).or_default();
        value.inner_fragments = fragments.inner;
        value.first_outer_fragments = fragments.first_outer;
    }
    rows
}
