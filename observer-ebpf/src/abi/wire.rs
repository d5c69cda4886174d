//! What the XDP program of an underlay counts and notes before the kernel's stack, and what the
//! device's TC ingress program makes of it behind GRO. A row per CPU and underlay, and one table of
//! arrivals.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::point::Point;
use crate::units::Fine;

/// Rows of one CPU: one per underlay.
pub const UNDERLAYS: u32 = 3;
/// Arrivals that are held at a time; a power of two.
pub const ARRIVALS: u32 = 1024;
/// Buckets of the delay: below 64 ns, powers of two, from 268 ms on.
pub const DELAYS: usize = 24;

/// Row of `wires`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct WireRow<C> {
    /// Frames that XDP saw: of a native program those on the wire, whatever GRO makes of them.
    pub packets: C,
    /// Their bytes, from the link header on.
    pub bytes: C,
    /// Socket buffers at TC ingress, once somebody counts on the wire.
    pub buffers: C,
    /// Frames that these were made of, by the sizes of their segments.
    pub segments: C,
    /// Bytes of those frames, headers of every segment included.
    pub segment_bytes: C,
    /// Arrivals of selected packets that were noted.
    pub noted: C,
    /// Of those the ones that never came to TC ingress: overwritten, or older than 1 s there.
    pub unmet: C,
    /// All delays together, in units of 64 ns.
    pub delayed: C,
    /// Selected packets by the time from XDP to TC ingress, see [`delay_bucket`].
    pub delays: [C; DELAYS],
}

const _: () = assert!(size_of::<WireRow<u64>>() == 256);

/// A row copied out of its map.
pub type WireRecord = WireRow<u64>;

impl WireRecord {
    /// This row with `other` joined to it, cell by cell.
    #[must_use]
    pub fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut delays = self.delays;
        for (cell, other) in delays.iter_mut().zip(other.delays) {
            *cell = join(*cell, other);
        }
        Self {
            packets: join(self.packets, other.packets),
            bytes: join(self.bytes, other.bytes),
            buffers: join(self.buffers, other.buffers),
            segments: join(self.segments, other.segments),
            segment_bytes: join(self.segment_bytes, other.segment_bytes),
            noted: join(self.noted, other.noted),
            unmet: join(self.unmet, other.unmet),
            delayed: join(self.delayed, other.delayed),
            delays,
        }
    }
}

/// A CPU's row of an underlay; none for other points.
#[inline(always)]
#[must_use]
pub const fn underlay(point: Point) -> Option<u32> {
    match point {
        Point::Underlay0 => Some(0),
        Point::Underlay1 => Some(1),
        Point::Underlay2 => Some(2),
        Point::Port | Point::Bridge | Point::Overlay | Point::Tunnel | Point::FlannelWg => None,
    }
}

/// The bucket that a delay falls into: 0 below one unit, else one more than its power of two. Counted
/// up, since the verifier cannot follow a logarithm.
#[inline(always)]
#[must_use]
pub const fn delay_bucket(delay: Fine) -> usize {
    let mut bucket = 0;
    while bucket < DELAYS - 1 && delay.0 >> bucket != 0 {
        bucket += 1;
    }
    bucket
}

/// Upper edge of a bucket, exclusive, in nanoseconds; the last one has none.
#[must_use]
pub const fn delay_edge(bucket: usize) -> Option<u64> {
    if bucket + 1 < DELAYS {
        Some(Fine(1 << bucket).nanos())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delay_lies_below_its_buckets_edge_and_not_below_the_one_before() {
        for shift in 0..32 {
            for delay in [(1_u32 << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let bucket = delay_bucket(Fine(delay));
                let nanos = Fine(delay).nanos();
                assert!(
                    delay_edge(bucket).is_none_or(|edge| nanos < edge),
                    "{delay}"
                );
                let before = bucket.checked_sub(1).and_then(delay_edge);
                assert!(before.is_none_or(|edge| nanos >= edge), "{delay}");
            }
        }
        assert_eq!(delay_edge(DELAYS - 2), Some(268_435_456));
    }
}
