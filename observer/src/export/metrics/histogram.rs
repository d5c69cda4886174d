//! The kernel's fine buckets folded into the exported ones. Counts are exact; a sample is taken to
//! be in the middle of its fine bucket, at most a sixteenth of its value away.

use std::time::Duration;

/// Upper bounds in nanoseconds, inclusive: from 50 us, since pod round trips begin there.
pub(super) const BOUNDS: [u64; 15] = [
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
];

/// Cumulative samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    /// By bucket; the last has no upper bound.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    nanos: u64,
}

impl Histogram {
    /// Takes (lower edge, upper edge, samples), nanoseconds; no upper edge means the lower one.
    pub(super) fn add(&mut self, samples: &[(u64, Option<u64>, u32)]) {
        for &(low, high, count) in samples {
            let middle = low.midpoint(high.unwrap_or(low));
            let bucket = BOUNDS.partition_point(|&bound| bound < middle);
            let count = u64::from(count);
            if let Some(cell) = self.buckets.get_mut(bucket) {
                *cell += count;
            }
            self.nanos = self.nanos.saturating_add(middle.saturating_mul(count));
        }
    }

    /// Number of samples.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Sum of the samples in seconds.
    pub(super) fn sum(&self) -> f64 {
        seconds(self.nanos)
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fall_where_their_middle_is_and_none_is_lost() {
        let mut histogram = Histogram::default();
        histogram.add(&[
            (0, Some(16_384), 3),
            (49_000, Some(51_000), 1),
            (49_000, Some(51_002), 2),
            (1_900_000_000, Some(2_000_000_000), 4),
            (4_294_967_296, None, 5),
        ]);
        histogram.add(&[(0, Some(16_384), 1)]);
        let mut expected = [0; 16];
        expected[0] = 4 + 1;
        expected[1] = 2;
        expected[14] = 4;
        expected[15] = 5;
        assert_eq!(histogram.buckets, expected);
        assert_eq!(histogram.count(), 16);
        let nanos = 4 * 8_192 + 50_000 + 2 * 50_001 + 4 * 1_950_000_000 + 5 * 4_294_967_296_u64;
        assert!((histogram.sum() - seconds(nanos)).abs() < 1e-9);
    }
}
