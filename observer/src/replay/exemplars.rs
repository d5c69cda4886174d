//! Round trips of a capture that are told whole: of each pair the first few by rank, which is the same on
//! every node that saw them, so that what the nodes say joins into one trace. Pure.

use std::collections::{BTreeMap, HashMap};

use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::event::{Event, EventKind};

use crate::latency::{Identity, Joiner, JoinerCounts, RoundTrip, identity};

/// Round trips of a pair, of data in either direction.
const OF_A_PAIR: usize = 8;
/// All TCP timestamps of a capture are followed: 1 in 2^0.
const RATE: u8 = 0;

/// From one look at what was joined to the next, nanoseconds.
const PAUSE: u64 = 100_000_000;

/// By rank; two round trips may share one.
type Order = (u64, Identity);

/// Collects the round trips of one node.
#[derive(Default)]
pub(super) struct Exemplars {
    joiner: Joiner,
    next: u64,
    kept: HashMap<u16, BTreeMap<Order, RoundTrip>>,
}

impl Exemplars {
    /// Takes the records of a frame. Those of a round trip that comes behind all that are kept need not
    /// be joined.
    pub(super) fn take(&mut self, events: Vec<Event>, now: u64) {
        for event in events {
            if self.may_be_kept(&event) {
                self.joiner.push(&event, now);
            }
        }
        if now >= self.next {
            self.next = now.saturating_add(PAUSE);
            let settled = self.joiner.settled(now);
            self.keep(settled);
        }
    }

    fn may_be_kept(&self, event: &Event) -> bool {
        let is_round_trip = EventKind::from_number(event.kind) == Some(EventKind::RoundTrip);
        if !is_round_trip || event.path < FIRST_PATH {
            return false;
        }
        let Some(identity) = identity(event) else {
            return false;
        };
        let full = self.kept.get(&event.path);
        let full = full.filter(|kept| kept.len() >= OF_A_PAIR);
        let last = full.and_then(|kept| kept.last_key_value());
        last.is_none_or(|(last, _)| (identity.rank(RATE), identity) <= *last)
    }

    fn keep(&mut self, trips: Vec<RoundTrip>) {
        for trip in trips {
            let kept = self.kept.entry(trip.path).or_default();
            kept.insert((trip.identity.rank(RATE), trip.identity), trip);
            if kept.len() > OF_A_PAIR {
                kept.pop_last();
            }
        }
    }

    /// Records that could not be joined.
    pub(super) fn counts(&self) -> JoinerCounts {
        self.joiner.counts()
    }

    /// All that were kept.
    pub(super) fn finish(mut self) -> impl Iterator<Item = RoundTrip> {
        let rest = self.joiner.settled(u64::MAX);
        self.keep(rest);
        self.kept.into_values().flat_map(BTreeMap::into_values)
    }
}
