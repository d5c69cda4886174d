//! Takes events from the ring: gives path numbers to new pairs, joins records into round trips.

use std::collections::{BTreeMap, HashMap};

use observer_ebpf::abi::PATH_UNKNOWN;
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::key::PairKey;
use observer_ebpf::abi::point::FlowDirection;
use observer_ebpf::units::Monotonic;

use crate::kernel::{Object, TableError};
use crate::latency::{Joiner, Pace, RoundTrip};
use crate::path::PathTable;
use crate::sweep::{Direction, Seen, Snapshot};

/// The least time between two raises of `pairs_version`, nanoseconds.
const RAISE: u64 = 100_000_000;

/// Pairs and round trips.
pub(super) struct Intake {
    paths: PathTable,
    joiner: Joiner,
    pace: Pace,
    raised: u64,
    pending: bool,
    begun: Vec<u16>,
    rejected: u64,
}

impl Intake {
    pub(super) fn new(rate: u8, now: Monotonic) -> Self {
        Self {
            paths: PathTable::default(),
            joiner: Joiner::default(),
            pace: Pace::new(rate, now),
            raised: 0,
            pending: false,
            begun: Vec::new(),
            rejected: 0,
        }
    }

    /// The path numbers.
    pub(super) const fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// Takes up to `limit` events at monotonic time `now`.
    pub(super) fn take(
        &mut self,
        object: &mut Object,
        now: u64,
        limit: usize,
    ) -> Result<(), TableError> {
        let mut events = Vec::new();
        object.events.drain(limit, |event| events.push(event));
        for event in &events {
            match EventKind::from_number(event.kind) {
                Some(EventKind::Announced) => self.announced(object, event)?,
                Some(EventKind::RoundTrip) => self.joiner.push(event, now),
                None => self.rejected += 1,
            }
        }
        self.raise(object, now);
        Ok(())
    }

    /// Names the pairs of flows whose announcement was lost.
    pub(super) fn name_unknown(
        &mut self,
        object: &mut Object,
        seen: &Seen,
    ) -> Result<(), TableError> {
        for pair in seen.unnamed() {
            self.name(object, pair)?;
        }
        Ok(())
    }

    fn announced(&mut self, object: &mut Object, event: &Event) -> Result<(), TableError> {
        if event.path == PATH_UNKNOWN {
            self.name(object, event.key.pair())
        } else {
            Ok(())
        }
    }

    fn name(&mut self, object: &mut Object, pair: PairKey) -> Result<(), TableError> {
        let Some((path, is_new)) = self.paths.assign(pair) else {
            return Ok(());
        };
        if is_new {
            self.begun.push(path);
            object.pairs.put(
                &pair,
                &Assignment {
                    path,
                    rate: self.pace.rate(),
                }
                .word(),
            )?;
        }
        self.pending = true;
        Ok(())
    }

    /// Selects fewer round trips while the ledger shows that records of them are lost, from the next
    /// epoch of a flow on. The new rate, if it has changed.
    pub(super) fn retune(
        &mut self,
        object: &mut Object,
        ledger: &BTreeMap<String, u64>,
        now: Monotonic,
    ) -> Result<Option<u8>, TableError> {
        let losses = ["round_trip_budget", "ring_full"].into_iter();
        let lost = losses.filter_map(|name| ledger.get(name)).sum();
        if !self.pace.update(lost, now) {
            return Ok(None);
        }
        let rate = self.pace.rate();
        tracing::info!(one_in = 1_u64 << rate.min(63), "round trips are selected");
        let mut control = object.control.get();
        (control.rate, control.echo_rate) = (rate, self.pace.lowered());
        object.control.set(control);
        for (path, pair) in self.paths.iter() {
            object.pairs.put(&pair, &Assignment { path, rate }.word())?;
        }
        self.pending = true;
        Ok(Some(rate))
    }

    /// Lets the kernel ask again, at most ten times a second.
    fn raise(&mut self, object: &mut Object, now: u64) {
        if !self.pending || now.saturating_sub(self.raised) < RAISE {
            return;
        }
        let mut control = object.control.get();
        control.pairs_version = control.pairs_version.wrapping_add(1);
        object.control.set(control);
        (self.pending, self.raised) = (false, now);
    }

    /// Round trips whose records had time to gather.
    pub(super) fn settled(&mut self, now: u64) -> Vec<RoundTrip> {
        self.joiner.settled(now)
    }

    /// All round trips that are left, at the end of a run: no sibling will come.
    pub(super) fn rest(&mut self) -> Vec<RoundTrip> {
        self.joiner.settled(u64::MAX)
    }

    /// Frees the numbers of pairs without entries.
    pub(super) fn retire(
        &mut self,
        object: &mut Object,
        snapshot: &Snapshot,
        remembered: &mut HashMap<(u16, FlowDirection), Direction>,
    ) -> Result<(), TableError> {
        for (path, pair) in self.paths.retire(|path| snapshot.seen.carries(path)) {
            object.pairs.remove(&pair)?;
            for direction in FlowDirection::ALL {
                remembered.remove(&(path, direction));
            }
        }
        Ok(())
    }

    /// Paths that began since the last call.
    pub(super) fn begun(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.begun)
    }

    /// Adds what was lost on the way to the ledger.
    pub(super) fn add_to(&self, ledger: &mut BTreeMap<String, u64>, object: &Object) {
        let joined = self.joiner.counts();
        for (name, count) in [
            (
                "decode_rejected",
                self.rejected + joined.rejected + object.events.rejected(),
            ),
            ("ambiguous", joined.ambiguous),
            ("unmatched", joined.unmatched),
            ("unattributed.paths_full", self.paths.refused()),
        ] {
            ledger.insert(name.to_owned(), count);
        }
    }
}
