//! What either road to a peer took: directly, and by a relay since. Time is an argument.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use observer_ebpf::abi::PATHS;

use crate::diagnosis::DirectBefore;
use crate::path::RelayMode;

/// Round trips of either road before they are compared.
const ENOUGH: u64 = 8;
/// Roads are compared by the round trips that one in so many does not exceed. The others have a pause
/// of the far end in them: it acknowledges with its next data, or after 40 ms and more (RFC 1122,
/// section 4.2.3.2).
const QUICK: u64 = 10;
/// Peers that are remembered: as many as there are path numbers.
const PEERS: usize = PATHS as usize;
/// How long a peer is remembered that no pod sends to.
const KEPT: Duration = Duration::from_hours(24);

/// Samples of a histogram: lower edge and upper edge in nanoseconds, count.
pub(super) type Bucket = (u64, Option<u64>, u32);

/// All peers, by name.
#[derive(Default)]
pub(super) struct Before(BTreeMap<String, Roads>);

/// Round trips behind the tunnel to one peer.
struct Roads {
    direct: Samples,
    relayed: Samples,
    endpoint: Option<IpAddr>,
    taken: Instant,
}

/// Samples by the lower edge of their bucket, nanoseconds.
#[derive(Default)]
struct Samples(BTreeMap<u64, u64>);

impl Before {
    /// Begins a sweep: forgets the peers that nobody has sent to for long.
    pub(super) fn begin(&mut self, now: Instant) {
        self.0
            .retain(|_, roads| now.duration_since(roads.taken) < KEPT);
    }

    /// Takes round trips by a road, directly to `endpoint`. Of too many peers the one goes that was
    /// silent for the longest.
    pub(super) fn take<'a>(
        &mut self,
        peer: &str,
        (mode, endpoint): (RelayMode, Option<IpAddr>),
        samples: impl Iterator<Item = &'a Bucket>,
        now: Instant,
    ) {
        if !matches!(mode, RelayMode::Direct | RelayMode::Derp) {
            return;
        }
        if self.0.len() >= PEERS && !self.0.contains_key(peer) {
            let oldest = self.0.iter().min_by_key(|(_, roads)| roads.taken);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.and_then(|name| self.0.remove(&name));
        }
        let roads = self.0.entry(peer.to_owned()).or_insert_with(|| Roads {
            direct: Samples::default(),
            relayed: Samples::default(),
            endpoint: None,
            taken: now,
        });
        roads.taken = now;
        if mode == RelayMode::Direct {
            roads.direct.add(samples);
            roads.relayed = Samples::default();
            roads.endpoint = endpoint;
        } else {
            roads.relayed.add(samples);
        }
    }

    /// The direct road to a peer that goes by a relay.
    pub(super) fn of(&self, peer: &str) -> Option<DirectBefore> {
        let roads = self.0.get(peer)?;
        Some(DirectBefore {
            endpoint: roads.endpoint,
            round_trip: roads.direct.quick()?,
            relayed: roads.relayed.quick()?,
        })
    }
}

impl Samples {
    fn add<'a>(&mut self, samples: impl Iterator<Item = &'a Bucket>) {
        for &(low, _, count) in samples {
            *self.0.entry(low).or_default() += u64::from(count);
        }
    }

    /// The lower edge of the bucket that the quickest tenth ends in, once there are enough.
    fn quick(&self) -> Option<u64> {
        let count: u64 = self.0.values().sum();
        if count < ENOUGH {
            return None;
        }
        let mut below = 0;
        let quick = self.0.iter().find(|(_, samples)| {
            below += **samples;
            below * QUICK >= count
        });
        quick.map(|(&low, _)| low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use RelayMode::{Derp, Direct};

    const ENDPOINT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 7, 2));

    impl Before {
        /// Takes so many round trips of so many microseconds.
        fn trips(&mut self, mode: RelayMode, micros: u64, count: u32, now: Instant) {
            self.trips_of("n2", mode, (micros, count), now);
        }

        fn trips_of(&mut self, peer: &str, mode: RelayMode, trips: (u64, u32), now: Instant) {
            let (micros, count) = trips;
            let endpoint = Some(ENDPOINT).filter(|_| mode == Direct);
            let bucket = (micros * 1_000, None, count);
            self.take(peer, (mode, endpoint), [bucket].iter(), now);
        }
    }

    #[test]
    fn round_trips_of_both_roads_are_compared_once_there_are_enough() {
        let (mut before, now) = (Before::default(), Instant::now());
        before.trips(Direct, 400, 9, now);
        before.trips(Derp, 80_000, 7, now);
        assert_eq!(before.of("n2"), None, "seven are not enough");
        before.trips(Derp, 90_000, 1, now);
        let found = before.of("n2").expect("both roads");
        assert_eq!((found.round_trip, found.relayed), (400_000, 80_000_000));
        assert_eq!(found.endpoint, Some(ENDPOINT));
        assert_eq!(before.of("n3"), None);
        before.trips(Direct, 400, 1, now);
        assert_eq!(before.of("n2"), None, "the relay is past");
    }

    #[test]
    fn a_far_end_that_answers_late_half_of_the_time_hides_no_detour() {
        let (pause, now) = (20_000, Instant::now());
        for late in [8, 9, 10] {
            let mut before = Before::default();
            for (mode, micros) in [(Direct, 200), (Derp, 40_000)] {
                before.trips(mode, micros, 9, now);
                before.trips(mode, micros + pause, late, now);
            }
            let found = before.of("n2").expect("both roads");
            assert_eq!((found.round_trip, found.relayed), (200_000, 40_000_000));
        }
    }

    #[test]
    fn a_peer_is_remembered_for_a_day_without_a_round_trip() {
        let (mut before, start) = (Before::default(), Instant::now());
        before.trips(Direct, 400, 9, start);
        let later = start + KEPT.saturating_sub(Duration::from_secs(1));
        before.begin(later);
        before.trips(Derp, 80_000, 9, later);
        before.begin(start + KEPT);
        assert!(before.of("n2").is_some());
        before.begin(later + KEPT);
        assert_eq!(before.of("n2"), None);
        assert!(before.0.is_empty());
    }

    #[test]
    fn of_too_many_peers_the_one_goes_that_was_silent_for_the_longest() {
        let (mut before, start) = (Before::default(), Instant::now());
        let second = Duration::from_secs(1);
        for peer in 0..PATHS {
            let now = start + second * u32::from(peer);
            before.trips_of(&peer.to_string(), Direct, (400, 9), now);
        }
        let now = start + second * u32::from(PATHS);
        before.trips_of("0", Derp, (80_000, 9), now);
        before.trips_of("one more", Direct, (400, 9), now);
        assert_eq!(before.0.len(), PEERS);
        assert!(before.of("0").is_some() && before.0.contains_key("one more"));
        assert!(!before.0.contains_key("1"));
    }

    #[test]
    fn other_modes_are_no_road_to_compare_with() {
        let (mut before, now) = (Before::default(), Instant::now());
        before.trips(Direct, 400, 9, now);
        before.trips(Derp, 80_000, 9, now);
        for mode in [
            RelayMode::PeerRelay,
            RelayMode::Overlay,
            RelayMode::Unknown,
            RelayMode::None,
        ] {
            before.trips(mode, 1, 1_000, now);
        }
        let found = before.of("n2").expect("both roads");
        assert_eq!((found.round_trip, found.relayed), (400_000, 80_000_000));
    }
}
