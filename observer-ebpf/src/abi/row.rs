//! Rows per path, point and flow direction: traffic, round-trip histogram, fragments. Their index
//! arithmetic and the histogram's bucket edges live here and nowhere else.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::PATHS;
use super::point::{FlowDirection, POINTS, Point};
use crate::units::Ticks;

/// Which row: `(path x 8 + point) x 2 + direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(u32);

/// Number of rows in each of the row maps.
#[expect(clippy::cast_possible_truncation, reason = "512 x 8 x 2 fits")]
pub const ROWS: u32 = PATHS as u32 * POINTS as u32 * 2;

impl Row {
    /// In no map: what counted elsewhere.
    pub(crate) const NOWHERE: Self = Self(1 << 30);

    /// The row of a path number, a point and a direction. Numbers out of range count on path 1.
    #[inline(always)]
    #[must_use]
    pub const fn new(path: u16, point: Point, direction: FlowDirection) -> Self {
        let path = if path < PATHS {
            path
        } else {
            super::PATH_REFUSED
        };
        Self((path as u32) * 16 + (point as u32) * 2 + direction as u32)
    }

    /// The row with this index in the row maps.
    #[inline(always)]
    #[must_use]
    pub const fn at(index: u32) -> Self {
        Self(index)
    }

    /// The row of another path and direction at the same point.
    #[inline(always)]
    pub(crate) const fn beside(self, path: u16, direction: FlowDirection) -> Self {
        let point = self.0 & 0x0e;
        Self(Self::new(path, Point::Port, direction).0 | point)
    }

    /// The path number that it belongs to.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "512 paths")]
    pub const fn path(self) -> u16 {
        (self.0 >> 4) as u16
    }

    /// The direction that it belongs to.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn direction(self) -> FlowDirection {
        if self.0 & 1 == FlowDirection::LowToHigh as u32 {
            FlowDirection::LowToHigh
        } else {
            FlowDirection::HighToLow
        }
    }

    /// Its index in the row maps.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// Row of `traffic`, one copy per CPU.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TrafficRow<W64> {
    /// Socket buffers: a GSO or GRO aggregate is one. A merged UDP buffer is its first datagram's, so
    /// that a row of what stood behind may have none.
    pub buffers: W64,
    /// L3 bytes of the innermost packets, with the headers of every segment.
    pub bytes: W64,
    /// Packets on the wire: segments of aggregates counted one by one.
    pub segments: W64,
    /// At a tunnel: WireGuard payload bytes that these packets will make. Zero until the part that
    /// attributes relays by bytes.
    pub wireguard_bytes: W64,
}

/// Row of `fragment_counts`.
#[derive(Clone, Debug, Default, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FragmentRow<W64> {
    /// Fragments of inner packets, first and later ones.
    pub inner: W64,
    /// First fragments of outer packets: one per outer packet that was cut.
    pub first_outer: W64,
}

const _: () = {
    assert!(size_of::<TrafficRow<u64>>() == 32);
    assert!(size_of::<FragmentRow<u64>>() == 16);
    assert!(size_of::<RttRow<u32>>() == 584);
};

/// A traffic row copied out of its map.
pub type TrafficRecord = TrafficRow<u64>;

/// Buckets per power of two, as a shift.
const SUB_BUCKET_SHIFT: u32 = 3;
/// log2 of the first regular bucket's lower edge in ticks (16.4 us).
const FIRST_POWER: u32 = 4;
/// log2 of the upper edge in ticks (4.29 s).
const LAST_POWER: u32 = 22;
/// Buckets of the histogram: below, 18 powers of 8 each, above.
pub const BUCKETS: usize = 2 + ((LAST_POWER - FIRST_POWER) << SUB_BUCKET_SHIFT) as usize;

/// Row of `rtt`: a log-linear histogram of round-trip times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RttRow<W32> {
    /// Samples per bucket, wrapping.
    pub buckets: [W32; BUCKETS],
}

/// The bucket that a round-trip time falls into.
#[inline(always)]
#[must_use]
pub const fn bucket(rtt: Ticks) -> usize {
    let value = rtt.0;
    if value < 1 << FIRST_POWER {
        return 0;
    }
    if value >= 1 << LAST_POWER {
        return BUCKETS - 1;
    }
    let power = value.ilog2();
    let sub = (value >> (power - SUB_BUCKET_SHIFT)) & ((1 << SUB_BUCKET_SHIFT) - 1);
    (1 + ((power - FIRST_POWER) << SUB_BUCKET_SHIFT) + sub) as usize
}

/// Lower and upper edge of a bucket in ticks; the last one has no upper edge.
#[must_use]
pub const fn edges(bucket: usize) -> (u32, Option<u32>) {
    if bucket == 0 {
        return (0, Some(1 << FIRST_POWER));
    }
    if bucket >= BUCKETS - 1 {
        return (1 << LAST_POWER, None);
    }
    (lower_edge(bucket), Some(lower_edge(bucket + 1)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the index is below BUCKETS"
)]
const fn lower_edge(bucket: usize) -> u32 {
    let regular = bucket as u32 - 1;
    let power = FIRST_POWER + (regular >> SUB_BUCKET_SHIFT);
    let sub = regular & ((1 << SUB_BUCKET_SHIFT) - 1);
    (1 << power) + (sub << (power - SUB_BUCKET_SHIFT))
}

/// Value of `pairs`: an [`super::biflow::Assignment`] as a word.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct PairValue(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_holds_its_edges() {
        for index in 0..BUCKETS {
            let (low, high) = edges(index);
            assert_eq!(bucket(Ticks(low)), index, "lower edge of bucket {index}");
            if let Some(high) = high {
                assert_eq!(
                    bucket(Ticks(high - 1)),
                    index,
                    "last tick of bucket {index}"
                );
                assert_eq!(
                    bucket(Ticks(high)),
                    index + 1,
                    "upper edge of bucket {index}"
                );
            }
        }
        assert_eq!(bucket(Ticks(u32::MAX)), BUCKETS - 1);
    }

    #[test]
    fn a_path_number_out_of_range_counts_as_refused() {
        let row = Row::new(PATHS, Point::Bridge, FlowDirection::HighToLow);
        assert_eq!(
            row,
            Row::new(
                super::super::PATH_REFUSED,
                Point::Bridge,
                FlowDirection::HighToLow
            )
        );
        assert!(Row::new(PATHS - 1, Point::Underlay2, FlowDirection::HighToLow).index() < ROWS);
    }
}
