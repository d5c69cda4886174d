//! The messages of one netlink datagram. Reads bytes that came from the kernel; never trusts a
//! length in them.

use std::io;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;

/// Length of a message header, bytes.
const HEADER: usize = 16;

/// One message.
#[derive(Debug)]
pub enum Message {
    /// An entry of a table, or an event about one.
    Entry {
        /// The entry.
        entry: RouteNetlinkMessage,
        /// Of its header.
        flags: u16,
    },
    /// End of a dump.
    End {
        /// Of its header.
        flags: u16,
    },
    /// The kernel's refusal.
    Refusal(io::Error),
    /// An entry whose contents could not be read.
    Unreadable,
    /// An acknowledgement, a no-operation, or an overrun.
    Other,
}

/// Splits `datagram` into messages, each with its sequence number.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (u32, Message)> {
    std::iter::from_fn(move || {
        let length = usize::try_from(word(datagram, 0)?).ok()?;
        let sequence = word(datagram, 8)?;
        let whole = datagram
            .get(..length)
            .filter(|whole| whole.len() >= HEADER)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((sequence, message(whole)))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

fn message(bytes: &[u8]) -> Message {
    let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
        return Message::Unreadable;
    };
    let (header, payload) = message.into_parts();
    let flags = header.flags;
    let refusal = |code: i32| Message::Refusal(io::Error::from_raw_os_error(code.saturating_neg()));
    if let NetlinkPayload::InnerMessage(entry) = payload {
        Message::Entry { entry, flags }
    } else if let NetlinkPayload::Done(end) = payload {
        if end.code < 0 {
            refusal(end.code)
        } else {
            Message::End { flags }
        }
    } else if let NetlinkPayload::Error(error) = payload {
        error
            .code
            .map_or(Message::Other, |code| refusal(code.get()))
    } else {
        Message::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of type `kind` with a body of `body`, and a `length` that may lie.
    fn bytes(length: u32, kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(0_u16.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    const NEW_LINK: u16 = 16;
    const ERROR: u16 = 2;

    #[test]
    fn lying_lengths_end_the_datagram() {
        for length in [0, 15, 17, u32::MAX] {
            assert_eq!(
                messages(&bytes(length, NEW_LINK, &[])).count(),
                0,
                "{length}"
            );
        }
        assert_eq!(messages(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn a_message_that_cannot_be_read_does_not_hide_the_next() {
        let mut datagram = bytes(18, NEW_LINK, &[0, 0, 0, 0]);
        let refusal = (-2_i32).to_ne_bytes();
        datagram.extend(bytes(36, ERROR, &[&refusal[..], &[0; 16]].concat()));
        let read: Vec<_> = messages(&datagram).collect();
        assert!(matches!(read[0], (7, Message::Unreadable)), "{read:?}");
        let (7, Message::Refusal(error)) = &read[1] else {
            panic!("{read:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_zero_error_code_is_no_refusal() {
        let acknowledgement = bytes(36, ERROR, &[0; 20]);
        let read: Vec<_> = messages(&acknowledgement).collect();
        assert!(matches!(read[..], [(7, Message::Other)]), "{read:?}");
    }
}
