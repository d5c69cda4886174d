//! Discovery of the direct way between two ends that also have a relay, with messages of the shape of
//! Tailscale's disco: magic, sender's key, nonce, box. Here the box is not encrypted. Pure.

use std::time::{Duration, Instant};

/// `TS` and a speech balloon.
const MAGIC: [u8; 6] = [0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac];
/// Where the box begins: behind magic, key and nonce.
const BOX: usize = 6 + 32 + 24;
/// Length of a message: a box with the sealing, type, version and content of a ping.
const LENGTH: usize = BOX + 16 + 2 + 44;
/// How often a ping is sent.
pub const PING: Duration = Duration::from_secs(2);
/// How long the direct way is trusted after a pong.
pub const TRUST: Duration = Duration::from_millis(6500);

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks for a pong.
    Ping = 1,
    /// Says that a ping has come.
    Pong = 2,
}

/// A message of the end with this key.
pub(super) fn message(kind: Kind, own: &[u8; 32]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (magic, rest) = bytes.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    rest[..32].copy_from_slice(own);
    bytes[BOX] = kind as u8;
    bytes
}

/// The message in a datagram, and whose it is; none in anything else.
pub(super) fn read(datagram: &[u8]) -> Option<(Kind, &[u8; 32])> {
    let (key, _) = datagram.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let kinds = [Kind::Ping, Kind::Pong];
    let kind = *datagram.get(BOX)?;
    let kind = kinds.into_iter().find(|known| *known as u8 == kind)?;
    Some((kind, key))
}

/// Whether the last pong is young enough.
pub(super) fn is_trusted(pong: Option<Instant>, now: Instant) -> bool {
    pong.is_some_and(|pong| now.saturating_duration_since(pong) < TRUST)
}

#[cfg(test)]
mod tests {
    use super::{Kind, TRUST, is_trusted, message, read};
    use std::time::{Duration, Instant};

    #[test]
    fn message_is_read_and_wireguard_is_not() {
        let ping = message(Kind::Ping, &[7; 32]);
        assert_eq!(read(&ping), Some((Kind::Ping, &[7; 32])));
        assert_eq!(&ping[..6], "TS\u{1f4ac}".as_bytes());
        assert_eq!(read(&ping[..40]), None);
        assert_eq!(read(&[4, 0, 0, 0].repeat(30)), None);
    }

    #[test]
    fn trust_ends_a_while_after_the_last_pong() {
        let pong = Instant::now();
        let after = |time| is_trusted(Some(pong), pong + time);
        assert!(after(TRUST.saturating_sub(Duration::from_millis(1))) && !after(TRUST));
        assert!(!is_trusted(None, pong));
    }
}
