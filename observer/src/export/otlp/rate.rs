//! A token bucket in whole numbers. Time is an argument.

use std::time::Duration;

/// Largest tree of one round trip (8 points) and its like: a smaller bucket would never let it pass.
const LEAST: u32 = 16;
/// Credit that one span costs.
const SPAN: u64 = 1_000_000_000;

/// Credit for spans: one second's worth at most.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    room: u64,
    credit: u64,
    last: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(spans_per_second: u32) -> Self {
        let room = u64::from(spans_per_second.max(LEAST)) * SPAN;
        Self {
            rate: spans_per_second.into(),
            room,
            credit: room,
            last: Duration::ZERO,
        }
    }

    /// True if `spans` more may pass `now`, counted from any fixed moment.
    pub(super) fn take(&mut self, spans: usize, now: Duration) -> bool {
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
    use super::*;

    #[test]
    fn a_second_earns_the_cap_and_no_more() {
        let mut bucket = Bucket::new(100);
        let at = Duration::from_millis;
        assert!(bucket.take(90, at(0)));
        assert!(!bucket.take(11, at(0)), "ten are left");
        assert!(bucket.take(10, at(0)));
        assert!(!bucket.take(2, at(10)), "10 ms earn one");
        assert!(bucket.take(1, at(10)));
        assert!(bucket.take(100, at(60_000)));
        assert!(
            !bucket.take(1, at(60_000)),
            "a minute earns one second's worth"
        );
    }
}
