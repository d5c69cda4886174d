//! Takes events from the ring: gives path numbers to new pairs, joins records into round trips and
//! the keys of one flow into one path.

use std::collections::BTreeMap;

use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::key::{FlowKey, PairKey};
use observer_ebpf::abi::point::FlowDirection;
use observer_ebpf::abi::{PATH_REFUSED, PATH_UNKNOWN};
use observer_ebpf::units::Monotonic;

use crate::config::Config;
use crate::kernel::{Object, TableError};
use crate::latency::{Joiner, Pace, RoundTrip, lost_records};
use crate::path::PathTable;
use crate::sweep::{Remembered, Seen, Snapshot, Standing};
use crate::translation::{Known, Translated};

use super::translations::Translations;

/// The least time between two raises of `pairs_version`, nanoseconds.
const RAISE: u64 = 100_000_000;

/// Pairs, round trips and translations.
pub(super) struct Intake {
    paths: PathTable,
    joiner: Joiner,
    translations: Translations,
    pace: Pace,
    raised: u64,
    pending: bool,
    said_full: bool,
    begun: Vec<u16>,
    refused: Vec<Event>,
    rejected: u64,
}

impl Intake {
    pub(super) fn new(config: &Config, now: Monotonic) -> Self {
        Self {
            paths: PathTable::default(),
            joiner: Joiner::default(),
            translations: Translations::new(config),
            pace: Pace::new(config.rate, now),
            raised: 0,
            pending: false,
            said_full: false,
            begun: Vec::new(),
            refused: Vec::new(),
            rejected: 0,
        }
    }

    /// The path numbers.
    pub(super) const fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// The translated flows.
    pub(super) const fn translations(&self) -> &Known {
        self.translations.known()
    }

    /// Takes up to `limit` events at monotonic time `now`; how many there were.
    pub(super) fn take(
        &mut self,
        object: &mut Object,
        now: u64,
        limit: usize,
    ) -> Result<usize, TableError> {
        let mut events = Vec::new();
        object.events.drain(limit, |event| events.push(event));
        for event in &events {
            match EventKind::from_number(event.kind) {
                Some(EventKind::Announced) => self.translations.announced(event, now),
                Some(EventKind::RoundTrip) => self.joiner.push(event, now),
                Some(EventKind::Refused) => self.refused.push(*event),
                Some(EventKind::Dropped) => {}
                None => self.rejected += 1,
            }
        }
        for flow in self.translations.joined(object)? {
            self.translate(object, &flow)?;
        }
        // A flow whose other key is in the same batch is known as translated by here.
        for event in &events {
            let kind = EventKind::from_number(event.kind);
            if matches!(kind, Some(EventKind::Announced | EventKind::Dropped)) {
                self.announced(object, event)?;
            }
        }
        self.raise(object, now);
        Ok(events.len())
    }

    /// Begins a sweep at monotonic time `now`.
    pub(super) const fn begin_sweep(&mut self, now: u64) {
        self.translations.begin(now);
    }

    /// Takes how a flow stands at the end of an epoch.
    pub(super) fn stands(&mut self, key: &FlowKey, standing: Standing) {
        self.translations.stands(key, standing);
    }

    /// Names the pairs of flows whose announcement was lost, and the Services whose flows show no
    /// real ends.
    pub(super) fn name_unknown(
        &mut self,
        object: &mut Object,
        seen: &Seen,
    ) -> Result<(), TableError> {
        for pair in seen.unnamed() {
            if !self.translations.has_service(&pair) {
                self.name(object, pair)?;
            }
        }
        for pair in self.translations.wanted() {
            self.name(object, pair)?;
        }
        Ok(())
    }

    fn announced(&mut self, object: &mut Object, event: &Event) -> Result<(), TableError> {
        let is_unnamed = event.path == PATH_UNKNOWN || event.path == PATH_REFUSED;
        if is_unnamed && !self.translations.holds_back(&event.key) {
            self.name(object, event.key.pair())?;
        }
        Ok(())
    }

    /// Lets all keys of a flow count on the path of its real ends.
    fn translate(&mut self, object: &mut Object, flow: &Translated) -> Result<(), TableError> {
        let Some(path) = self.name(object, flow.real.pair())? else {
            return Ok(());
        };
        let assignment = Assignment {
            path,
            rate: self.pace.rate(),
            flags: 0,
        };
        self.pending |= self.translations.give(object, flow, assignment)?;
        for pair in self.translations.newly_provisional(flow) {
            if let Some(path) = self.paths.number(&pair) {
                self.tell(object, &pair, path)?;
            }
        }
        Ok(())
    }

    /// The number of a pair, told to the kernel; `None`, counted, if all are taken.
    fn name(&mut self, object: &mut Object, pair: PairKey) -> Result<Option<u16>, TableError> {
        let Some((path, is_new)) = self.paths.assign(pair) else {
            self.say_full(object, true);
            return Ok(None);
        };
        if is_new {
            self.begun.push(path);
            self.tell(object, &pair, path)?;
        }
        self.pending = true;
        Ok(Some(path))
    }

    /// Tells the kernel a pair's number.
    fn tell(&self, object: &mut Object, pair: &PairKey, path: u16) -> Result<(), TableError> {
        let flags = if self.translations.is_provisional(pair) {
            Assignment::PROVISIONAL
        } else {
            0
        };
        let rate = self.pace.rate();
        object
            .pairs
            .put(pair, &Assignment { path, rate, flags }.word())
    }

    /// Tells the kernel, and a person the first time, whether new pairs find a number.
    fn say_full(&mut self, object: &mut Object, is_full: bool) {
        let mut control = object.control.get();
        if control.paths_full == u32::from(is_full) {
            return;
        }
        control.paths_full = u32::from(is_full);
        object.control.set(control);
        // Flows that wait for a number learn that none is left.
        self.pending = true;
        if is_full && !std::mem::replace(&mut self.said_full, true) {
            tracing::warn!(
                paths = self.paths.iter().count(),
                "all path numbers are taken: until some are free, further pairs of addresses count \
                 together, as unknown"
            );
        }
    }

    /// Selects fewer round trips while the ledger shows that records of them are lost, from the next
    /// epoch of a flow on. The new rate, if it has changed.
    pub(super) fn retune(
        &mut self,
        object: &mut Object,
        ledger: &BTreeMap<String, u64>,
        now: Monotonic,
    ) -> Result<Option<u8>, TableError> {
        if !self.pace.update(lost_records(ledger), now) {
            return Ok(None);
        }
        let rate = self.pace.rate();
        tracing::info!(one_in = 1_u64 << rate.min(63), "round trips are selected");
        let mut control = object.control.get();
        (control.rate, control.echo_rate) = (rate, self.pace.lowered());
        object.control.set(control);
        for (path, pair) in self.paths.iter() {
            self.tell(object, &pair, path)?;
        }
        self.translations.retune(object, rate)?;
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

    /// Round trips whose records had time to gather. Their keys resolve flows older than the agent.
    pub(super) fn settled(
        &mut self,
        object: &mut Object,
        now: u64,
    ) -> Result<Vec<RoundTrip>, TableError> {
        let settled = self.joiner.settled(now);
        for records in self.joiner.translated() {
            if let Some(flow) = self.translations.of_reply(&records) {
                self.translate(object, &flow)?;
            }
        }
        Ok(settled)
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
        remembered: &mut Remembered,
    ) -> Result<(), TableError> {
        self.translations.expire(object)?;
        for pair in self.translations.no_more_provisional() {
            if let Some(path) = self.paths.number(&pair) {
                self.tell(object, &pair, path)?;
            }
        }
        let is_carried = |path| {
            snapshot.seen.carries(path)
                || snapshot.drops.has_grown(path)
                || snapshot.announced.has_grown(path)
        };
        for (path, pair) in self.paths.retire(is_carried) {
            object.pairs.remove(&pair)?;
            self.translations.retire(object, path)?;
            for direction in FlowDirection::ALL {
                remembered.remove(&(path, direction));
            }
        }
        if !self.paths.is_full() {
            self.say_full(object, false);
        }
        Ok(())
    }

    /// Refusals that were told since the last call.
    pub(super) fn refused(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.refused)
    }

    /// Forgets a flow whose entry is removed.
    pub(super) fn forget(&mut self, object: &mut Object, key: &FlowKey) -> Result<(), TableError> {
        self.translations.forget(object, key)
    }

    /// Paths that began since the last call.
    pub(super) fn begun(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.begun)
    }

    /// Adds what was lost on the way to the ledger.
    pub(super) fn add_to(&self, ledger: &mut BTreeMap<String, u64>, object: &Object) {
        self.translations.add_to(ledger);
        let joined = self.joiner.counts();
        for (name, count) in [
            (
                "decode_rejected",
                self.rejected + joined.rejected + object.events.rejected(),
            ),
            ("ring_events", object.events.taken()),
            ("ambiguous", joined.ambiguous),
            ("unmatched", joined.unmatched),
            ("unattributed.paths_full", self.paths.refused()),
        ] {
            ledger.insert(name.to_owned(), count);
        }
    }
}
