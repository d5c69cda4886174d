//! How much one socket buffer is on the wire: segments and L3 bytes of the innermost packets.
//! A size is never judged by the buffer's length, since GSO and GRO aggregate.

use crate::parse::Packet;

/// What a buffer counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Packets on the wire.
    pub segments: u64,
    /// L3 bytes of the innermost packets, headers of every segment included.
    pub bytes: u64,
    /// Datagrams behind the first one of a merged UDP buffer.
    pub hidden: u64,
}

/// Counts a buffer of `length` bytes with the kernel's `gso_size` (0 = no aggregate). `gso_segs` is
/// not used: it is 0 on TUN ingress.
#[inline(always)]
#[must_use]
pub fn size(packet: &Packet, length: u32, gso_size: u32) -> Size {
    let whole = Size {
        segments: 1,
        bytes: u64::from(packet.length),
        hidden: 0,
    };
    if gso_size == 0 {
        return whole;
    }
    if let Some(merged) = merged_datagrams(packet, length, gso_size) {
        return merged;
    }
    let headers = packet.payload_offset.saturating_sub(packet.network_offset);
    let payload = packet.length.saturating_sub(headers);
    if payload <= gso_size {
        return whole;
    }
    let segments = u64::from(payload.div_ceil(gso_size));
    Size {
        segments,
        bytes: u64::from(packet.length) + (segments - 1) * u64::from(headers),
        hidden: 0,
    }
}

/// A VXLAN buffer whose inner packet ends before the buffer does holds several datagrams under one
/// outer UDP header (UDP GRO and GSO), each of `gso_size` bytes but the last.
#[inline(always)]
fn merged_datagrams(packet: &Packet, length: u32, gso_size: u32) -> Option<Size> {
    let outer = packet.around()?;
    let payload = length.saturating_sub(outer.payload_offset);
    let overhead = packet.network_offset.saturating_sub(outer.payload_offset);
    let first = overhead.saturating_add(packet.length);
    if first > gso_size || payload <= gso_size {
        return None;
    }
    let datagrams = u64::from(payload.div_ceil(gso_size));
    Some(Size {
        segments: datagrams,
        bytes: u64::from(payload).saturating_sub(datagrams * u64::from(overhead)),
        hidden: datagrams - 1,
    })
}
