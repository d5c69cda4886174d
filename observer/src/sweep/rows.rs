//! Row values per path, point and direction: cumulative in the kernel, from a baseline here, since a
//! path number may have belonged to another pair before. Pure.

use std::collections::HashMap;

use observer_ebpf::abi::point::{FlowDirection, Point};
use observer_ebpf::abi::row::{BUCKETS, Row, TrafficRecord, edges};

use crate::path::Quantiles;

/// Nanoseconds per tick of the kernel's histograms.
const TICK: u64 = 1 << observer_ebpf::units::TICK_SHIFT;

/// What one row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowValue {
    /// Socket buffers; datagrams behind another pair's in one buffer have none.
    pub buffers: u64,
    /// L3 bytes of the innermost packets.
    pub bytes: u64,
    /// Packets on the wire.
    pub segments: u64,
    /// Fragments of inner packets.
    pub inner_fragments: u64,
    /// First fragments of outer packets.
    pub first_outer_fragments: u64,
    /// Round-trip samples per bucket; empty or [`BUCKETS`] long.
    pub rtt: Vec<u32>,
}

impl RowValue {
    /// Adds one CPU's traffic.
    pub fn add(&mut self, traffic: &TrafficRecord) {
        self.buffers = self.buffers.wrapping_add(traffic.buffers);
        self.bytes = self.bytes.wrapping_add(traffic.bytes);
        self.segments = self.segments.wrapping_add(traffic.segments);
    }

    /// Adds another value.
    pub(super) fn join(&mut self, more: &Self) {
        self.buffers = self.buffers.wrapping_add(more.buffers);
        self.bytes = self.bytes.wrapping_add(more.bytes);
        self.segments = self.segments.wrapping_add(more.segments);
        self.inner_fragments = self.inner_fragments.wrapping_add(more.inner_fragments);
        self.first_outer_fragments = self
            .first_outer_fragments
            .wrapping_add(more.first_outer_fragments);
        if self.rtt.len() < more.rtt.len() {
            self.rtt.resize(more.rtt.len(), 0);
        }
        for (samples, more) in self.rtt.iter_mut().zip(&more.rtt) {
            *samples = samples.wrapping_add(*more);
        }
    }

    /// True if a packet was counted, or timed.
    pub(super) fn is_used(&self) -> bool {
        self.segments > 0 || self.rtt.iter().any(|&samples| samples > 0)
    }

    /// What was counted since `base`.
    pub(super) fn since(&self, base: &Self) -> Self {
        Self {
            buffers: self.buffers.wrapping_sub(base.buffers),
            bytes: self.bytes.wrapping_sub(base.bytes),
            segments: self.segments.wrapping_sub(base.segments),
            inner_fragments: self.inner_fragments.wrapping_sub(base.inner_fragments),
            first_outer_fragments: self
                .first_outer_fragments
                .wrapping_sub(base.first_outer_fragments),
            rtt: self
                .rtt
                .iter()
                .enumerate()
                .map(|(bucket, now)| now.wrapping_sub(base.rtt.get(bucket).copied().unwrap_or(0)))
                .collect(),
        }
    }

    /// Count, median and 99th percentile of the histogram; `None` without samples.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        let count: u64 = self.rtt.iter().map(|&samples| u64::from(samples)).sum();
        (count > 0).then(|| Quantiles {
            count,
            p50: self.quantile(count.div_ceil(2)),
            p99: self.quantile((count * 99).div_ceil(100)),
        })
    }

    /// The sample of this rank, from 1, between the edges of its bucket in proportion.
    fn quantile(&self, rank: u64) -> u64 {
        let mut below = 0;
        for (bucket, &samples) in self.rtt.iter().enumerate() {
            let samples = u64::from(samples);
            if below + samples >= rank {
                let (low, high) = edges(bucket);
                let width = u64::from(high.unwrap_or(low) - low) * TICK;
                return u64::from(low) * TICK + width * (2 * (rank - below) - 1) / (2 * samples);
            }
            below += samples;
        }
        0
    }

    /// (lower edge, upper edge, samples) of every bucket that is not empty, nanoseconds.
    #[must_use]
    pub fn samples(&self) -> Vec<(u64, Option<u64>, u32)> {
        let nanos = |ticks: u32| u64::from(ticks) * TICK;
        self.rtt
            .iter()
            .enumerate()
            .take(BUCKETS)
            .filter(|&(_, &samples)| samples > 0)
            .map(|(bucket, &samples)| {
                let (low, high) = edges(bucket);
                (nanos(low), high.map(nanos), samples)
            })
            .collect()
    }
}

/// All rows with their baselines.
#[derive(Clone, Debug, Default)]
pub struct RowStore {
    now: HashMap<u32, RowValue>,
    before: HashMap<u32, RowValue>,
    base: HashMap<u32, RowValue>,
}

impl RowStore {
    /// Takes the rows of a new sweep.
    pub fn update(&mut self, rows: HashMap<u32, RowValue>) {
        self.before = std::mem::replace(&mut self.now, rows);
    }

    /// A path number begins anew: what its rows hold now is no longer its own.
    pub fn begin(&mut self, path: u16) {
        for point in Point::ALL {
            for direction in FlowDirection::ALL {
                let row = Row::new(path, point, direction).index();
                match self.now.get(&row) {
                    Some(value) => self.base.insert(row, value.clone()),
                    None => self.base.remove(&row),
                };
            }
        }
    }

    /// What a row counted since its path began; `None` if nothing.
    #[must_use]
    pub fn total(&self, row: Row) -> Option<RowValue> {
        let now = self.now.get(&row.index())?;
        let total = match self.base.get(&row.index()) {
            Some(base) => now.since(base),
            None => now.clone(),
        };
        total.is_used().then_some(total)
    }

    /// What a row counted since the sweep before.
    #[must_use]
    pub fn recent(&self, row: Row) -> RowValue {
        let empty = RowValue::default();
        let now = self.now.get(&row.index()).unwrap_or(&empty);
        // A path that began since the last sweep has its baseline for a sweep before.
        let before = self
            .before
            .get(&row.index())
            .or_else(|| self.base.get(&row.index()));
        now.since(before.unwrap_or(&empty))
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::row::bucket;
    use observer_ebpf::units::Ticks;

    use super::*;

    fn row() -> Row {
        Row::new(7, Point::Bridge, FlowDirection::LowToHigh)
    }

    fn value(segments: u64, rtt_ticks: &[u32]) -> RowValue {
        let mut value = RowValue {
            buffers: segments,
            segments,
            rtt: vec![0; BUCKETS],
            ..RowValue::default()
        };
        for &ticks in rtt_ticks {
            value.rtt[bucket(Ticks(ticks))] += 1;
        }
        value
    }

    #[test]
    fn a_reused_number_starts_at_zero() {
        let mut rows = RowStore::default();
        rows.update(HashMap::from([(row().index(), value(10, &[100]))]));
        rows.begin(7);
        assert_eq!(rows.total(row()), None);
        rows.update(HashMap::from([(row().index(), value(13, &[100, 200]))]));
        let total = rows.total(row()).expect("a row");
        assert_eq!(
            (total.segments, total.quantiles().map(|found| found.count)),
            (3, Some(1))
        );
    }

    #[test]
    fn a_row_of_datagrams_behind_another_pairs_first_one_is_used() {
        let mut behind = value(2, &[]);
        behind.buffers = 0;
        let mut rows = RowStore::default();
        rows.update(HashMap::from([(row().index(), behind)]));
        assert_eq!(rows.total(row()).map(|total| total.segments), Some(2));
    }

    #[test]
    fn recent_is_the_difference_of_two_sweeps() {
        let mut rows = RowStore::default();
        rows.update(HashMap::from([(row().index(), value(10, &[]))]));
        rows.update(HashMap::from([(row().index(), value(15, &[]))]));
        assert_eq!(rows.recent(row()).segments, 5);
    }

    #[test]
    fn quantiles_lie_within_their_buckets() {
        let found = value(3, &[100, 100, 1000]).quantiles().expect("samples");
        assert!(
            (96 * TICK..104 * TICK).contains(&found.p50),
            "{}",
            found.p50
        );
        assert!(
            (960 * TICK..1024 * TICK).contains(&found.p99),
            "{}",
            found.p99
        );
    }
}
