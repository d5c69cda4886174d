//! Virtio headers of aggregates, as a TUN device takes them. It writes nothing.

use crate::tun::VirtioHeader;

const NEEDS_CHECKSUM: u8 = 1;
pub(crate) const GSO_TCP: u8 = 1;
pub(crate) const GSO_UDP: u8 = 5;

/// The header of an aggregate; checksum offsets of the transport header behind 20 bytes of IPv4.
pub(crate) fn header(kind: u8, gso_size: u16, checksum: u8) -> VirtioHeader {
    let [low, high] = gso_size.to_le_bytes();
    if gso_size == 0 {
        return [0; 10];
    }
    let headers = if kind == GSO_TCP { 52 } else { 28 };
    [
        NEEDS_CHECKSUM,
        kind,
        headers,
        0,
        low,
        high,
        20,
        0,
        checksum,
        0,
    ]
}
