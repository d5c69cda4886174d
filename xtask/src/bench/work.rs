//! What was done in a block of traffic, and what it took. It drives nothing.

use std::io;
use std::ops::AddAssign;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What came of one or several blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Requests that were answered, or datagrams that were sent.
    pub(super) count: u32,
    /// How long it took.
    pub(super) time: Duration,
    /// Processor time of all threads for them, kernel included.
    pub(super) busy: Duration,
}

impl Work {
    /// How many in a second.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.count) / self.time.as_secs_f64()
    }

    /// Processor time for each, nanoseconds.
    pub(super) fn busy_nanos(&self) -> f64 {
        self.busy.as_secs_f64() * 1e9 / f64::from(self.count.max(1))
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.time += other.time;
        self.busy += other.busy;
    }
}

/// Processor time of the calling thread so far.
pub(super) fn processor_time() -> io::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.into())
}
