//! How much one socket buffer is on the wire: segments and L3 bytes of the innermost packets.
//! A size is never judged by the buffer's length, since GSO and GRO aggregate.

use crate::parse::Packet;

use super::Frame;

/// What a buffer counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Packets on the wire.
    pub segments: u64,
    /// L3 bytes of the innermost packets, headers of every segment included.
    pub bytes: u64,
    /// Those of the segments that are datagrams behind the first one of a merged UDP buffer: they may
    /// be other pairs'.
    pub further: u64,
}

/// Counts a buffer. The kernel's number of segments is not used: it is 0 on TUN ingress, also of
/// aggregates.
#[inline(always)]
#[must_use]
pub fn size(packet: &Packet, frame: Frame) -> Size {
    let whole = Size::first(packet);
    if frame.gso_size == 0 {
        return whole;
    }
    if let Some(layout) = Layout::of(packet, frame) {
        let datagrams = u64::from(layout.datagrams());
        let overhead = datagrams * u64::from(layout.overhead);
        return Size {
            segments: datagrams,
            bytes: u64::from(layout.payload).saturating_sub(overhead),
            further: datagrams - 1,
        };
    }
    let headers = packet.payload_offset.saturating_sub(packet.network_offset);
    let payload = packet.length.saturating_sub(headers);
    if payload <= frame.gso_size {
        return whole;
    }
    let segments = u64::from(payload.div_ceil(frame.gso_size));
    Size {
        segments,
        bytes: u64::from(packet.length) + (segments - 1) * u64::from(headers),
        further: 0,
    }
}

/// Frames on the wire that a buffer at an Ethernet device was made of or will become, and their bytes
/// from the link header on.
#[inline(always)]
pub(super) fn wire_size(packet: &Packet, frame: Frame) -> (u64, u64) {
    if frame.gso_size == 0 {
        return (1, u64::from(frame.length));
    }
    let headers = match Layout::of(packet, frame) {
        Some(layout) => layout.start,
        None => packet.payload_offset,
    };
    let segments = size(packet, frame).segments;
    let repeated = (segments - 1) * u64::from(headers);
    (segments, u64::from(frame.length) + repeated)
}

impl Size {
    /// The packet that was parsed, alone.
    #[inline(always)]
    pub(super) fn first(packet: &Packet) -> Self {
        Self {
            segments: 1,
            bytes: u64::from(packet.length),
            further: 0,
        }
    }
}

/// How a merged UDP buffer divides into VXLAN datagrams: all of one size but the last, under one outer
/// UDP header (UDP GRO and GSO).
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Offset of the first datagram's payload, bytes.
    start: u32,
    /// Bytes of every payload but the last.
    each: u32,
    /// Bytes of all payloads.
    payload: u32,
    /// Bytes from a payload's begin to its inner packet: VXLAN and Ethernet.
    overhead: u32,
}

impl Layout {
    /// None unless the buffer's first inner packet ends before the buffer does.
    #[inline(always)]
    pub(super) fn of(packet: &Packet, frame: Frame) -> Option<Self> {
        let outer = packet.around()?;
        let start = outer.payload_offset;
        let payload = frame.length.saturating_sub(start);
        let overhead = packet.network_offset.saturating_sub(start);
        let first = overhead.saturating_add(packet.length);
        let each = frame.gso_size;
        (each > 0 && first <= each && payload > each).then_some(Self {
            start,
            each,
            payload,
            overhead,
        })
    }

    /// Datagrams in the buffer, at least two.
    #[inline(always)]
    const fn datagrams(&self) -> u32 {
        self.payload.div_ceil(self.each)
    }

    /// Offset and length of a datagram's payload, the first one being number 0; none behind the last.
    #[inline(always)]
    pub(super) const fn datagram(&self, index: u32) -> Option<(u32, u32)> {
        let behind = index.wrapping_mul(self.each);
        if behind >= self.payload {
            return None;
        }
        let rest = self.payload - behind;
        let length = if rest < self.each { rest } else { self.each };
        Some((self.start.wrapping_add(behind), length))
    }

    /// L3 bytes of the inner packet of a datagram.
    #[inline(always)]
    pub(super) fn inner(&self, length: u32) -> u64 {
        u64::from(length.saturating_sub(self.overhead))
    }

    /// Number and L3 bytes of the datagrams behind number `last`.
    #[inline(always)]
    pub(super) fn beyond(&self, last: u32) -> (u64, u64) {
        let datagrams = self.datagrams().saturating_sub(last.saturating_add(1));
        let begin = last.saturating_add(1).saturating_mul(self.each);
        let bytes = u64::from(self.payload.saturating_sub(begin));
        let overhead = u64::from(datagrams) * u64::from(self.overhead);
        (u64::from(datagrams), bytes.saturating_sub(overhead))
    }
}
