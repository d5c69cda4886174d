//! Which round trips may leave when there are more than the cap allows. Time is an argument.
//!
//! Both ends of a round trip decide alike without a word: by its rank, which is the same on every
//! node, and by the demand, of which both ends see their share. A bucket bounds what a sudden rise
//! costs until the demand is known.

use std::time::Duration;

/// Largest tree of one round trip (8 points) and its like: a smaller bucket would never let it pass.
const LEAST: u32 = 16;
/// Credit that one span costs.
const SPAN: u64 = 1_000_000_000;
/// Seconds of the cap that the bucket holds.
const ROOM: u64 = 8;
/// The demand is an average with this time constant, seconds.
const MEMORY: f64 = 2.0;
/// Share of the cap that is aimed at, so that the bucket is seldom empty.
const AIM: f64 = 0.9;
/// Ranks begin at 0 and end below this, in their high half.
const RANKS: f64 = 4_294_967_296.0;

/// Lets the spans of the first-ranked round trips pass, as many as the cap allows.
#[derive(Debug)]
pub(super) struct Gate {
    cap: f64,
    demand: f64,
    last: Duration,
    bucket: Bucket,
}

impl Gate {
    pub(super) fn new(spans_per_second: u32) -> Self {
        Self {
            cap: f64::from(spans_per_second),
            demand: 0.0,
            last: Duration::ZERO,
            bucket: Bucket::new(spans_per_second),
        }
    }

    /// True if the `spans` of a round trip of this rank may pass that happened at `now`, counted from
    /// any fixed moment. A little disorder does no harm.
    pub(super) fn admits(&mut self, spans: usize, rank: u64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.last).as_secs_f64();
        self.last = now.max(self.last);
        let new = f64::from(u32::try_from(spans).unwrap_or(u32::MAX));
        self.demand = self.demand * (-passed / MEMORY).exp() + new / MEMORY;
        let place = f64::from(u32::try_from(rank >> 32).unwrap_or(u32::MAX)) / RANKS;
        place * self.demand < AIM * self.cap && self.bucket.take(spans, now)
    }
}

/// A token bucket in whole numbers.
#[derive(Debug)]
struct Bucket {
    rate: u64,
    room: u64,
    credit: u64,
    last: Duration,
}

impl Bucket {
    /// A full bucket.
    fn new(spans_per_second: u32) -> Self {
        let seconds = u64::from(spans_per_second.max(LEAST)) * SPAN;
        let room = seconds.saturating_mul(ROOM);
        Self {
            rate: spans_per_second.into(),
            room,
            credit: room,
            last: Duration::ZERO,
        }
    }

    fn take(&mut self, spans: usize, now: Duration) -> bool {
        let passed = now.saturating_sub(self.last).as_nanos();
        let earned = u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.rate);
        self.credit = self.credit.saturating_add(earned).min(self.room);
        self.last = now.max(self.last);
        let cost = (spans as u64).saturating_mul(SPAN);
        let left = self.credit.checked_sub(cost);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Spans of one round trip.
    const TREE: usize = 8;

    #[test]
    fn a_second_earns_the_cap_and_no_more_than_eight_are_saved() {
        let mut bucket = Bucket::new(100);
        let at = Duration::from_millis;
        assert!(bucket.take(790, at(0)));
        assert!(!bucket.take(11, at(0)), "ten are left");
        assert!(bucket.take(10, at(0)));
        assert!(!bucket.take(2, at(10)), "10 ms earn one");
        assert!(bucket.take(1, at(10)));
        assert!(bucket.take(800, at(60_000)));
        assert!(
            !bucket.take(1, at(60_000)),
            "a minute earns no more than fits"
        );
    }

    /// The round trips among the first `count` that pass, `per_second` of them, each seen `late`.
    fn kept(count: u32, per_second: u32, late: impl Fn(u32) -> Duration) -> HashSet<u32> {
        let mut gate = Gate::new(100);
        let trips = 0..count;
        trips
            .filter(|&trip| {
                let now = Duration::from_secs(trip.into()) / per_second + late(trip);
                let rank = u64::from(trip).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                gate.admits(TREE, rank, now)
            })
            .collect()
    }

    #[test]
    fn what_fits_passes_whole() {
        assert_eq!(kept(1_000, 10, |_| Duration::ZERO).len(), 1_000);
    }

    #[test]
    fn a_flood_is_cut_to_the_cap() {
        let kept = kept(60_000, 1_000, |_| Duration::ZERO).len() * TREE;
        assert!((5_000..=6_800).contains(&kept), "{kept} spans in a minute");
    }

    #[test]
    fn two_nodes_keep_the_same_round_trips() {
        for per_second in [20, 100, 1_000] {
            let jitter = |trip: u32| Duration::from_millis(u64::from(trip % 7) * 9);
            let near = kept(60 * per_second, per_second, |_| Duration::ZERO);
            let far = kept(60 * per_second, per_second, jitter);
            let both = near.intersection(&far).count();
            let all = near.union(&far).count();
            assert!(both * 100 >= all * 95, "{both} of {all} at {per_second}/s");
        }
    }
}
