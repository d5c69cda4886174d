//! Round trips that wait for a report of their path, within bounds: so many, and so many reports.
//! Those of too many go by rank, counted, so that both ends of a round trip keep the same.
//!
//! Never: looks at a path. Whether a report says enough is told.

use crate::latency::RoundTrip;

/// Round trips that may wait.
const LENGTH: usize = 512;
/// Reports that one waits for: a path that began while the first one was made is seen by the second.
const REPORTS: u8 = 2;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    trips: Vec<(RoundTrip, u8)>,
    dropped: u64,
}

impl Waiting {
    /// Takes one more; round trips are selected at 1 in 2^`rate`.
    pub(super) fn push(&mut self, trip: RoundTrip, rate: u8) {
        self.trips.push((trip, 0));
        if self.trips.len() >= 2 * LENGTH {
            self.first_ranked(rate);
            self.dropped += (self.trips.len() - LENGTH) as u64;
            self.trips.truncate(LENGTH);
        }
    }

    /// Those that a new report says enough of, and those that have waited for long, by rank.
    pub(super) fn reported(
        &mut self,
        rate: u8,
        is_told: impl Fn(&RoundTrip) -> bool,
    ) -> Vec<RoundTrip> {
        self.first_ranked(rate);
        let mut due = Vec::new();
        for (trip, reports) in std::mem::take(&mut self.trips) {
            if reports + 1 >= REPORTS || is_told(&trip) {
                due.push(trip);
            } else {
                self.trips.push((trip, reports + 1));
            }
        }
        due
    }

    /// All that are left.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = RoundTrip> + use<> {
        std::mem::take(&mut self.trips)
            .into_iter()
            .map(|(trip, _)| trip)
    }

    /// Those that found no room so far.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn first_ranked(&mut self, rate: u8) {
        self.trips.sort_by_key(|(trip, _)| trip.identity.rank(rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{Identity, Side};
    use observer_ebpf::abi::PATH_UNKNOWN;

    fn trip(answer: u32) -> RoundTrip {
        let end = ([10, 42, 1, 2].into(), 80);
        RoundTrip {
            identity: Identity {
                answer,
                probe: 1,
                ack: 1,
                protocol: 6,
            },
            path: PATH_UNKNOWN,
            source: end,
            destination: end,
            protocol: 6,
            side: Side::Source,
            sightings: Vec::new(),
        }
    }

    fn answers(trips: impl IntoIterator<Item = RoundTrip>) -> Vec<u32> {
        let mut answers: Vec<_> = trips.into_iter().map(|trip| trip.identity.answer).collect();
        answers.sort_unstable();
        answers
    }

    #[test]
    fn a_round_trip_waits_until_it_is_told_and_for_two_reports_at_most() {
        let mut waiting = Waiting::default();
        waiting.push(trip(1), 0);
        waiting.push(trip(2), 0);
        let told = waiting.reported(0, |trip| trip.identity.answer == 1);
        assert_eq!(answers(told), [1]);
        waiting.push(trip(3), 0);
        assert_eq!(answers(waiting.reported(0, |_| false)), [2]);
        assert_eq!(answers(waiting.rest()), [3]);
        assert_eq!(waiting.reported(0, |_| true), []);
    }

    #[test]
    fn of_too_many_the_first_ranked_stay_whatever_order_they_came_in() {
        let count = 2 * u32::try_from(LENGTH).expect("few");
        let kept = |order: &mut dyn Iterator<Item = u32>| {
            let mut waiting = Waiting::default();
            order.for_each(|answer| waiting.push(trip(answer), 3));
            assert_eq!(waiting.dropped(), LENGTH as u64);
            answers(waiting.rest())
        };
        let forth = kept(&mut (0..count));
        assert_eq!(forth.len(), LENGTH);
        assert_eq!(forth, kept(&mut (0..count).rev()));
        let mut by_rank: Vec<_> = (0..count).collect();
        by_rank.sort_by_key(|&answer| trip(answer).identity.rank(3));
        by_rank.truncate(LENGTH);
        by_rank.sort_unstable();
        assert_eq!(forth, by_rank);
    }
}
