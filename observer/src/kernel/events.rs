//! The event ring: records by copy with a length check. The kernel wakes the reader only for a pair
//! without a path; all else waits for the next poll.

use std::fmt;
use std::io;

use aya::maps::{Map, MapData, MapError, RingBuf};
use observer_ebpf::abi::event::Event;
use tokio::io::unix::AsyncFd;
use zerocopy::FromBytes;

/// The ring cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is no ring, or cannot be mapped.
    #[error("map the event ring: {0}")]
    Map(#[from] MapError),
    /// It cannot be waited for.
    #[error("wait for the event ring: {0}")]
    Poll(#[from] io::Error),
}

/// The reading end of the ring.
pub struct Events {
    ring: AsyncFd<RingBuf<MapData>>,
    taken: u64,
    rejected: u64,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn new(map: MapData) -> Result<Self, EventError> {
        let ring = RingBuf::try_from(Map::RingBuf(map))?;
        // SAFETY: the ring owns its descriptor, answers with the same one always, and closes it only
        // when dropped, after `AsyncFd` has taken it out of the poll set.
        let ring = unsafe { AsyncFd::register(ring) }.map_err(io::Error::from)?;
        Ok(Self {
            ring,
            taken: 0,
            rejected: 0,
        })
    }

    /// Waits until the kernel asks for the reader.
    pub async fn woken(&mut self) -> Result<(), EventError> {
        let mut guard = self.ring.readable_mut().await?;
        guard.clear_ready();
        Ok(())
    }

    /// Calls `each` for every record in the ring, at most `limit`, so that a flood cannot hold the
    /// agent; returns how many there were.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(Event)) -> usize {
        let ring = self.ring.get_mut();
        for count in 0..limit {
            let Some(record) = ring.next() else {
                return count;
            };
            self.taken += 1;
            match Event::read_from_bytes(&record) {
                Ok(event) => each(event),
                Err(_) => self.rejected += 1,
            }
        }
        limit
    }

    /// Records so far.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Records of a wrong length so far.
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.rejected
    }
}
