//! The Geneve header (RFC 8926) of Tailscale's peer relays: no options, and a protocol type of
//! their own for WireGuard. Pure.

/// Bytes of the header.
pub const HEADER: usize = 8;
/// Tailscale's protocol type for WireGuard inside.
const WIREGUARD: [u8; 2] = [0x7a, 0x12];

/// The header of a session, before a WireGuard datagram.
pub(crate) fn header(vni: u32) -> [u8; HEADER] {
    let [_, a, b, c] = vni.to_be_bytes();
    let [high, low] = WIREGUARD;
    [0, 0, high, low, a, b, c, 0]
}

/// The session of a datagram and the WireGuard datagram in it; none for anything else.
pub(crate) fn open(datagram: &[u8]) -> Option<(u32, &[u8])> {
    let (&[0, 0, high, low, a, b, c, 0], inner) = datagram.split_first_chunk()? else {
        return None;
    };
    ([high, low] == WIREGUARD).then_some((u32::from_be_bytes([0, a, b, c]), inner))
}

#[cfg(test)]
mod tests {
    use super::{header, open};

    #[test]
    fn header_is_that_of_the_wire_and_opens_again() {
        let mut datagram = header(0x01_02_03).to_vec();
        assert_eq!(datagram, [0, 0, 0x7a, 0x12, 1, 2, 3, 0]);
        datagram.extend([4, 0, 0, 0]);
        let inner: &[u8] = &[4, 0, 0, 0];
        assert_eq!(open(&datagram), Some((0x01_02_03, inner)));
    }

    #[test]
    fn disco_and_short_datagrams_are_not_opened() {
        assert_eq!(open(&[0, 0, 0x7a, 0x11, 1, 2, 3, 0, 9]), None);
        assert_eq!(open(&[0, 0, 0x7a, 0x12, 1, 2, 3]), None);
    }
}
