//! One connection of a probe: a request says how much it brings and how much it wants back. Every
//! wait ends with the limit it is given.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::limit::{Limit, SLICE};

/// Bytes of a [`Header`].
pub(super) const HEADER: usize = 12;
/// Bytes moved at a time.
const CHUNK: usize = 16_384;

/// The head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Number of the connection.
    pub(super) number: u32,
    /// Bytes that follow.
    pub(super) brings: u32,
    /// Bytes of the reply.
    pub(super) wants: u32,
}

impl Header {
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let words = [self.number, self.brings, self.wants].map(u32::to_be_bytes);
        let mut bytes = [0; HEADER];
        for (slot, byte) in bytes.iter_mut().zip(words.as_flattened()) {
            *slot = *byte;
        }
        bytes
    }

    pub(super) fn read(bytes: [u8; HEADER]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |position: usize| {
            words
                .get(position)
                .map_or(0, |word| u32::from_be_bytes(*word))
        };
        Self {
            number: word(0),
            brings: word(1),
            wants: word(2),
        }
    }
}

/// A connection to a server.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    /// How long the handshake took.
    pub(super) connect: Duration,
}

impl Line {
    /// Connects within the limit.
    pub(super) fn open(to: SocketAddr, limit: Limit<'_>) -> io::Result<Self> {
        let begun = Instant::now();
        let left = limit.left().ok_or(io::ErrorKind::TimedOut)?;
        let stream = TcpStream::connect_timeout(&to, left)?;
        let connect = begun.elapsed();
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_write_timeout(Some(SLICE))?;
        Ok(Self { stream, connect })
    }

    /// Sends a request with all it brings.
    pub(super) fn ask(&mut self, header: Header, limit: Limit<'_>) -> io::Result<()> {
        let brings = usize::try_from(header.brings).unwrap_or(usize::MAX);
        let mut request = header.bytes().to_vec();
        request.resize(HEADER + brings, b'q');
        let mut rest = request.as_slice();
        while !rest.is_empty() {
            let part = &rest[..rest.len().min(CHUNK)];
            let written = patiently(limit, || self.stream.write(part))?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Takes a reply; `received` counts its bytes as they come.
    pub(super) fn hear(
        &mut self,
        wants: u32,
        received: &mut u32,
        limit: Limit<'_>,
    ) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        while *received < wants {
            let room = usize::try_from(wants - *received).map_or(CHUNK, |left| left.min(CHUNK));
            match patiently(limit, || self.stream.read(&mut chunk[..room]))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => *received += u32::try_from(length).unwrap_or(u32::MAX),
            }
        }
        Ok(())
    }
}

/// Tries again for as long as the limit lasts.
fn patiently(limit: Limit<'_>, mut step: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    while limit.left().is_some() {
        match step() {
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            done => return done,
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::Header;

    #[test]
    fn header_is_read_as_it_was_written() {
        let header = Header {
            number: 0x0102_0304,
            brings: 40_000,
            wants: u32::MAX,
        };
        assert_eq!(Header::read(header.bytes()), header);
    }
}
