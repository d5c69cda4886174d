//! DERP's framing: one byte of type, four of length, then a key of 32 bytes and a packet. Pure.
//! So a packet of N bytes is N + 37 bytes of the TCP stream.

/// A public key.
pub(crate) type Key = [u8; 32];

/// Type and length.
const HEADER: usize = 5;
/// Type, length and key: what a frame costs.
pub const OVERHEAD: usize = HEADER + size_of::<Key>();
/// Longest packet; a longer frame is none.
const LONGEST: usize = 65_536;

/// What a frame is for; the numbers are DERP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client tells its key; no packet.
    ClientInfo = 2,
    /// A packet to the client of the key.
    SendPacket = 4,
    /// A packet from the client of the key.
    ReceivePacket = 5,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        let all = [Self::ClientInfo, Self::SendPacket, Self::ReceivePacket];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
    pub(crate) packet: Vec<u8>,
}

/// A stream that holds something else than frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no frame: type {kind}, length {length}")]
pub(crate) struct NoFrame {
    kind: u8,
    length: usize,
}

impl From<NoFrame> for std::io::Error {
    fn from(cause: NoFrame) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, cause)
    }
}

/// Writes a frame behind what is in `stream`.
pub(crate) fn write(stream: &mut Vec<u8>, kind: Kind, key: &Key, packet: &[u8]) {
    let length = u32::try_from(key.len() + packet.len()).unwrap_or(u32::MAX);
    stream.push(kind as u8);
    stream.extend(length.to_be_bytes());
    stream.extend(key);
    stream.extend(packet);
}

/// Takes the first frame off `stream`; none while it is not whole.
pub(crate) fn take(stream: &mut Vec<u8>) -> Result<Option<Frame>, NoFrame> {
    let Some((&[number, a, b, c, d], rest)) = stream.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let none = NoFrame {
        kind: number,
        length,
    };
    let kind = Kind::of(number).ok_or(none)?;
    if length > LONGEST {
        return Err(none);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let (key, packet) = body.split_first_chunk().ok_or(none)?;
    let frame = Frame {
        kind,
        key: *key,
        packet: packet.to_vec(),
    };
    stream.drain(..HEADER + length);
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::{Frame, Kind, OVERHEAD, take, write};

    #[test]
    fn frames_are_taken_whole_however_the_stream_is_cut() {
        let mut whole = Vec::new();
        write(&mut whole, Kind::SendPacket, &[7; 32], b"packet");
        assert_eq!(whole.len(), OVERHEAD + 6);
        assert_eq!(&whole[..5], [4, 0, 0, 0, 38]);
        write(&mut whole, Kind::ClientInfo, &[9; 32], b"");
        let (mut stream, mut frames) = (Vec::new(), Vec::new());
        for byte in whole {
            stream.push(byte);
            frames.extend(take(&mut stream).expect("frames"));
        }
        let frame = |kind, key, packet: &[u8]| Frame {
            kind,
            key: [key; 32],
            packet: packet.to_vec(),
        };
        let wanted = [
            frame(Kind::SendPacket, 7, b"packet"),
            frame(Kind::ClientInfo, 9, b""),
        ];
        assert_eq!((frames.as_slice(), stream.len()), (wanted.as_slice(), 0));
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [*b"GET / ", [4, 0xff, 0, 0, 0, 0], [4, 0, 0, 0, 1, 0]] {
            let mut stream = bytes.to_vec();
            take(&mut stream).expect_err("no frame");
        }
    }
}
