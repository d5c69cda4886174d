//! Clocks of the kernel: the same monotonic time as the programs, and the length of a jiffy.

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
#[must_use]
pub fn monotonic_nanos() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds of wall time since 1970.
#[must_use]
pub fn wall_nanos() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Nanoseconds per jiffy: the coarse clock moves once in each (kernel: `hrtimer_resolution`,
/// `KTIME_LOW_RES`).
#[must_use]
pub fn jiffy_nanos() -> u64 {
    nanos(clock_getres(ClockId::MonotonicCoarse)).max(1)
}

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(SECOND).saturating_add(rest)
}
