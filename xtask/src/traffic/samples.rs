//! Order statistics of a few thousand samples. Pure.

use std::time::Duration;

use serde::Serialize;

/// A distribution in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Number of samples.
    pub count: usize,
    /// Smallest.
    pub min_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Largest.
    pub max_us: f64,
}

impl Summary {
    /// The distribution of durations; all zero if there are none.
    pub(crate) fn of(samples: &[Duration]) -> Self {
        let micros = samples.iter().map(|sample| sample.as_secs_f64() * 1e6);
        let mut sorted: Vec<f64> = micros.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent| {
            rank(sorted.len(), percent)
                .and_then(|rank| sorted.get(rank))
                .copied()
        };
        Self {
            count: sorted.len(),
            min_us: at(0).unwrap_or_default(),
            p50_us: at(50).unwrap_or_default(),
            p99_us: at(99).unwrap_or_default(),
            max_us: at(100).unwrap_or_default(),
        }
    }
}

/// Nearest rank of a percentile in a sorted list.
fn rank(count: usize, percent: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some((last * percent).div_ceil(100))
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use std::time::Duration;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let samples: Vec<Duration> = (1..=101).rev().map(Duration::from_micros).collect();
        let found = Summary::of(&samples);
        let values = [found.min_us, found.p50_us, found.p99_us, found.max_us];
        assert_eq!(
            values.map(|value| format!("{value:.0}")),
            ["1", "51", "100", "101"]
        );
    }

    #[test]
    fn no_samples_give_zeroes() {
        assert_eq!(Summary::of(&[]), Summary::default());
    }
}
