//! One direction of a connection: bytes that wait for their time, then for room at the receiver.
//! How much may wait is bounded; beyond that nothing is read, so that the sender waits.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::lab::held::Held;

/// Bytes that may wait: 40 ms at 3 Gbit/s.
const BYTES: usize = 16 << 20;
/// Pieces that may wait, however small.
const PIECES: usize = 16_384;

/// What one read gave.
enum Piece {
    Bytes(Vec<u8>),
    End(End),
}

/// How a direction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The sender had no more, or the receiver takes no more.
    Orderly,
    /// The connection of the sender broke.
    Reset,
}

/// The receiving end, which can be told that no more comes.
pub(super) trait Sink: Write {
    /// Tells it.
    fn end(&mut self) -> io::Result<()>;
}

impl Sink for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// What is on its way.
pub(super) struct Direction {
    held: Held<Piece>,
    /// Bytes in `held` and `leaving`.
    bytes: usize,
    /// Bytes that are due; those before `written` are gone.
    leaving: Vec<u8>,
    written: usize,
    has_sender: bool,
    end: Option<End>,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            held: Held::new(PIECES),
            bytes: 0,
            leaving: Vec::new(),
            written: 0,
            has_sender: true,
            end: None,
        }
    }
}

impl Direction {
    /// Whether more would be taken.
    pub(super) fn has_room(&self) -> bool {
        self.has_sender && self.bytes < BYTES && !self.held.is_full()
    }

    /// Whether bytes are due that the receiver did not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.written < self.leaving.len()
    }

    /// How long until something is due; none while the receiver has to make room first.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        if self.is_blocked() || self.end.is_some() {
            return None;
        }
        self.held.wait(now)
    }

    /// Takes what the sender has, if there is room; it leaves at `due`. An error, if the sender is
    /// lost, is passed on as a reset.
    pub(super) fn take(
        &mut self,
        sender: &mut impl Read,
        chunk: &mut [u8],
        due: Instant,
    ) -> io::Result<()> {
        if !self.has_room() {
            return Ok(());
        }
        let mut lost = Ok(());
        let piece = match sender.read(chunk) {
            Ok(0) => Piece::End(End::Orderly),
            Ok(length) => Piece::Bytes(chunk[..length].to_vec()),
            Err(cause) if is_passing(&cause) => return Ok(()),
            Err(cause) => {
                lost = Err(cause);
                Piece::End(End::Reset)
            }
        };
        match &piece {
            Piece::Bytes(bytes) => self.bytes += bytes.len(),
            Piece::End(_) => self.has_sender = false,
        }
        let taken = self.held.push(due, piece);
        debug_assert!(taken, "nothing is read without room for it");
        lost
    }

    /// Lets go of what is due; how the direction ended, once it has.
    pub(super) fn deliver(&mut self, receiver: &mut impl Sink, now: Instant) -> Option<End> {
        while self.end.is_none() {
            if self.is_blocked() {
                match receiver.write(&self.leaving[self.written..]) {
                    Ok(length) => {
                        self.written += length;
                        self.bytes -= length;
                    }
                    Err(cause) if is_passing(&cause) => break,
                    Err(_) => self.close(End::Orderly),
                }
                continue;
            }
            match self.held.pop(now) {
                None => break,
                Some(Piece::Bytes(bytes)) => (self.leaving, self.written) = (bytes, 0),
                Some(Piece::End(end)) => {
                    if end == End::Orderly
                        && let Err(cause) = receiver.end()
                    {
                        eprintln!("pass on the end of a connection: {cause}");
                    }
                    self.close(end);
                }
            }
        }
        self.end
    }

    /// Nothing passes any more. A receiver that is gone ends its own direction too.
    fn close(&mut self, end: End) {
        self.has_sender = false;
        self.end = Some(end);
        self.leaving.clear();
        self.written = 0;
    }
}

/// Whether trying again later may help.
fn is_passing(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
