//! Reads the maps of one sweep into plain values: flow entries once, rows of paths in use alone.

use std::collections::{BTreeMap, HashMap};

use observer_ebpf::abi::PATHS;
use observer_ebpf::abi::counter::{COUNTERS, Counter, Loss};
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::point::{Hook, POINTS};
use observer_ebpf::parse::{Malformed, NotOurs};

use crate::kernel::{Object, TableError};
use crate::latency::{Silence, Unanswered};
use crate::path::Leg;

use super::legs::legs;
use super::{AnnouncedStore, DropStore, OuterFlows, RowStore, RowValue, Seen, Standing};

/// What the kernel knew at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Flow entries by path and direction.
    pub seen: Seen,
    /// Rows, cumulative.
    pub rows: RowStore,
    /// Outer flows.
    pub outer: OuterFlows,
    /// What crossed the tunnel since the last sweep and what carried it, by [`Hook`].
    pub legs: [Leg; 2],
    tunnel: [u64; 2],
    /// MTUs announced to pods of this node.
    pub announced: AnnouncedStore,
    /// Packets dropped for their size.
    pub drops: DropStore,
    /// Packets that nobody answered.
    pub unanswered: Unanswered,
    /// Entries that user space has deleted so far: whoever deletes counts here.
    pub deleted: u64,
    /// Entries that the kernel gave to other flows: made, and neither there nor deleted.
    pub evicted: u64,
    /// The kernel side of the loss ledger.
    pub ledger: BTreeMap<String, u64>,
}

/// Reads everything that the epoch saw into `snapshot`; rows of paths up to `last_path`. Calls `each`
/// with every flow.
pub fn read(
    object: &mut Object,
    snapshot: &mut Snapshot,
    silence: &Silence<'_>,
    last_path: u16,
    mut each: impl FnMut(&FlowKey, Standing),
) -> Result<(), TableError> {
    snapshot.seen = Seen::default();
    snapshot.unanswered.begin();
    // Before the walk: an entry made during it is not one that was evicted.
    let inserted = object.totals()?.of(Loss::Inserted);
    object.biflows.for_each(|key, flow| {
        let standing = snapshot.seen.add(&key, &flow, silence.epoch);
        each(&key, standing);
        snapshot.unanswered.add(&key, &flow, silence);
    })?;
    let gone = inserted.saturating_sub(snapshot.seen.entries);
    snapshot.evicted = snapshot.evicted.max(gone.saturating_sub(snapshot.deleted));
    snapshot.outer.begin();
    object
        .outer_flows
        .for_each(|key, flow| snapshot.outer.add(key, &flow))?;
    snapshot.announced.begin();
    object
        .announced
        .for_each(|key, packets| snapshot.announced.add(key, packets))?;
    snapshot.drops.begin();
    object
        .drops
        .for_each(|key, value| snapshot.drops.add(key, value))?;
    snapshot.cross(object.totals()?.tunnel);
    snapshot.rows.update(rows(object, last_path)?);
    snapshot.ledger = ledger(&object.totals()?.counters);
    Ok(())
}

impl Snapshot {
    /// Takes what has crossed the tunnel so far, by [`Hook`], once the outer flows are read.
    pub(super) fn cross(&mut self, tunnel: [u64; 2]) {
        let since = Hook::ALL.map(|hook| {
            let at = |sums: &[u64; 2]| sums.get(hook as usize).copied().unwrap_or(0);
            at(&tunnel).saturating_sub(at(&self.tunnel))
        });
        self.tunnel = tunnel;
        self.legs = legs(&self.outer, since);
    }
}

fn rows(object: &mut Object, last_path: u16) -> Result<HashMap<u32, RowValue>, TableError> {
    let limit = (u32::from(last_path.min(PATHS - 1)) + 1) * 2 * u32::try_from(POINTS).unwrap_or(8);
    let mut rows: HashMap<u32, RowValue> = HashMap::new();
    object.traffic.for_each_below(limit, |row, cpu| {
        if cpu.segments > 0 {
            rows.entry(row).or_default().add(cpu);
        }
    })?;
    object.rtt.for_each_below(limit, |row, histogram| {
        if histogram.buckets.iter().any(|&samples| samples > 0) {
            rows.entry(row).or_default().rtt = histogram.buckets.to_vec();
        }
    })?;
    object.fragments.for_each_below(limit, |row, fragments| {
        if fragments.inner > 0 || fragments.first_outer > 0 {
            let value = rows.entry(row).or_default();
            value.inner_fragments = fragments.inner;
            value.first_outer_fragments = fragments.first_outer;
        }
    })?;
    Ok(rows)
}

/// Names of all cells, in order of their index.
fn names() -> impl Iterator<Item = (u32, String)> {
    let losses = Loss::ALL.map(|(loss, name)| (Counter::Loss(loss).index(), name.to_owned()));
    let not_ours = NotOurs::ALL
        .map(|(reason, name)| (Counter::NotOurs(reason).index(), format!("not_ours.{name}")));
    let malformed = Malformed::ALL.map(|(reason, name)| {
        (
            Counter::Malformed(reason).index(),
            format!("parse_rejected.{name}"),
        )
    });
    losses.into_iter().chain(not_ours).chain(malformed)
}

/// The cells by their names.
pub(super) fn ledger(counters: &[u64; COUNTERS as usize]) -> BTreeMap<String, u64> {
    names()
        .map(|(_, name)| name)
        .zip(counters.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_kernel_ledger_has_one_name() {
        let cells: Vec<_> = names().map(|(cell, _)| cell).collect();
        assert_eq!(cells, (0..COUNTERS).collect::<Vec<_>>());
        let unique: std::collections::HashSet<_> = names().map(|(_, name)| name).collect();
        assert_eq!(unique.len(), cells.len());
    }
}
