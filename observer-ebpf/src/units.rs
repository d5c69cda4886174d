//! Units of the numbers that cross a function: times, never bare integers. No arithmetic beyond
//! what the packet path needs.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Nanoseconds of the monotonic clock (`CLOCK_MONOTONIC`, `bpf_ktime_get_ns`).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Monotonic(pub u64);

/// Shift from nanoseconds to [`Ticks`].
pub const TICK_SHIFT: u32 = 10;

/// Units of 1,024 ns of the monotonic clock, modulo 2^32 (73 minutes).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Ticks(pub u32);

impl Monotonic {
    /// The low 32 bits of the time in units of 1,024 ns.
    #[inline(always)]
    #[must_use]
    pub const fn ticks(self) -> Ticks {
        Ticks(low_word(self.0 >> TICK_SHIFT))
    }

    /// The low 32 bits of the time in units of 64 ns.
    #[inline(always)]
    #[must_use]
    pub const fn fine(self) -> Fine {
        Fine(low_word(self.0 >> FINE_SHIFT))
    }
}

/// Shift from nanoseconds to [`Fine`].
const FINE_SHIFT: u32 = 6;

/// Units of 64 ns of the monotonic clock, modulo 2^32 (275 s): for what takes microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fine(pub u32);

impl Fine {
    /// Time since `earlier`, right across one wrap.
    #[inline(always)]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.wrapping_sub(earlier.0))
    }

    /// The same span in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        (self.0 as u64) << FINE_SHIFT
    }
}

impl Ticks {
    /// Time since `earlier`, right across one wrap.
    #[inline(always)]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.wrapping_sub(earlier.0))
    }

    /// The same span in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        (self.0 as u64) << TICK_SHIFT
    }
}

/// A count of kernel jiffies, as `bpf_jiffies64` gives it. The agent learns their length from the
/// resolution of `CLOCK_MONOTONIC_COARSE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Jiffies(pub u64);

impl Jiffies {
    /// Number of the accounting window that this moment lies in: jiffies >> `shift`.
    #[inline(always)]
    #[must_use]
    pub const fn window(self, shift: u32) -> u32 {
        low_word(self.0.wrapping_shr(shift))
    }
}

/// The low half of a word.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the high half is cut on purpose"
)]
#[inline(always)]
pub(crate) const fn low_word(word: u64) -> u32 {
    word as u32
}
