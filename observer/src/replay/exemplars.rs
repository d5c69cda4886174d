//! Round trips of a capture that are told whole: of each ordered pair the first few by rank, which is the
//! same on every node that saw them, so that their spans join into one trace. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use observer_ebpf::abi::event::{Event, EventKind};

use crate::latency::{Identity, Joiner, RoundTrip};

/// Round trips of a pair. Both nodes keep the same ones if both captured all of them, and most if not.
const OF_A_PAIR: usize = 4;
/// The path is new where a capture begins: 1 in 2^0.
const RATE: u8 = 0;

type Pair = (IpAddr, IpAddr);

/// Collects the round trips of one node.
#[derive(Default)]
pub(super) struct Exemplars {
    joiner: Joiner,
    kept: BTreeMap<Pair, BTreeMap<(u64, Identity), RoundTrip>>,
}

impl Exemplars {
    /// Takes the records of a frame.
    pub(super) fn take(&mut self, events: Vec<Event>, now: u64) {
        for event in events {
            if EventKind::from_number(event.kind) == Some(EventKind::RoundTrip) {
                self.joiner.push(&event, now);
            }
        }
        let settled = self.joiner.settled(now);
        self.keep(settled);
    }

    fn keep(&mut self, trips: Vec<RoundTrip>) {
        for trip in trips {
            let kept = self.kept.entry((trip.source.0, trip.destination.0));
            let kept = kept.or_default();
            kept.insert((trip.identity.rank(RATE), trip.identity), trip);
            if kept.len() > OF_A_PAIR {
                kept.pop_last();
            }
        }
    }

    /// All that were kept, by pair.
    pub(super) fn finish(mut self) -> impl Iterator<Item = RoundTrip> {
        let rest = self.joiner.settled(u64::MAX);
        self.keep(rest);
        self.kept.into_values().flat_map(BTreeMap::into_values)
    }
}
