//! Reads the cells of one sweep of captures into the same plain values as the kernel's maps.

use std::collections::HashMap;

use observer_ebpf::abi::point::Hook;

use super::read::ledger;
use super::{RowValue, Seen, Snapshot};
use crate::host::HostObserver;

/// Reads everything that `epoch` saw into `snapshot`.
pub fn read_captured(host: &HostObserver, snapshot: &mut Snapshot, epoch: u32) {
    snapshot.seen = Seen::default();
    for (key, flow) in host.biflows() {
        snapshot.seen.add(&key, &flow, epoch);
    }
    snapshot.outer.begin();
    for (key, flow) in host.outer_flows() {
        snapshot.outer.add(key, &flow);
    }
    snapshot.cross(Hook::ALL.map(|hook| host.tunnel(hook)));
    snapshot.rows.update(rows(host));
    snapshot.ledger = ledger(&host.counters());
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
