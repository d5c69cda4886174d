//! Ethernet II headers (IEEE 802.3, clause 3), with one or two VLAN tags (IEEE 802.1Q, clause 9).

use super::ip::{Version, forget};
use super::{Bytes, Malformed, NotOurs, Packet, Rejected};

/// Bytes of a header.
pub(super) const HEADER: usize = 14;

/// The IP version behind the header at `offset`.
#[inline(always)]
pub(super) fn version(
    bytes: &impl Bytes,
    offset: usize,
    packet: &mut Packet,
    short: Malformed,
) -> Result<Version, Rejected> {
    let header = bytes.need::<HEADER>(offset, packet, short)?;
    named(u16::from_be_bytes([header[12], header[13]]))
}

/// Bytes of a tag: its control information, and the type of what follows.
const TAG: usize = 4;
/// Tags that are stepped over: a customer's and a service's.
const TAGS: usize = 2;
/// Offsets behind a header with its tags lie below: a mask that changes none of them.
const LINK_MASK: usize = 31;

const CUSTOMER_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

/// The IP version behind the header at the frame's begin and its tags, and the offset of what follows.
/// (A tag that the device took off is not in sight, and needs not be.)
#[inline(always)]
pub(super) fn link<B: Bytes>(bytes: &B, packet: &mut Packet) -> Result<(Version, usize), Rejected> {
    if B::IS_WINDOW {
        return Ok((version(bytes, 0, packet, Malformed::EthernetShort)?, HEADER));
    }
    let header = bytes.at::<HEADER>(0).ok_or(Malformed::EthernetShort)?;
    let mut kind = u16::from_be_bytes([header[12], header[13]]);
    let mut offset = HEADER;
    for _ in 0..TAGS {
        if !matches!(kind, CUSTOMER_TAG | SERVICE_TAG) {
            break;
        }
        let begin = forget(packet, offset) & LINK_MASK;
        let tag = bytes.at::<TAG>(begin).ok_or(Malformed::VlanShort)?;
        kind = u16::from_be_bytes([tag[2], tag[3]]);
        offset = begin + TAG;
    }
    let version = named(kind)?;
    Ok((version, forget(packet, offset) & LINK_MASK))
}

#[inline(always)]
const fn named(kind: u16) -> Result<Version, Rejected> {
    match kind {
        0x0800 => Ok(Version::V4),
        0x86dd => Ok(Version::V6),
        _ => Err(Rejected::NotOurs(NotOurs::EtherType)),
    }
}
