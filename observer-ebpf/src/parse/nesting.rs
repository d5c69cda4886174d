//! VXLAN inside VXLAN: from a packet that carries another one to that one. Whether it is to be followed
//! the caller says: a pod's own VXLAN looks the same.

use super::frame::parse_inside;
use super::{Bytes, Captured, CapturedHead, Packet, Rejected};

/// VXLAN headers that the programs follow.
pub const KERNEL_DEPTH: u32 = 2;
/// VXLAN headers that the host observer follows.
pub const HOST_DEPTH: u32 = 4;

/// A frame's bytes from an offset on: packet memory in the kernel, a slice on the host.
pub trait Behind {
    /// What can be read from `offset` on, with offsets of its own.
    fn behind(&mut self, offset: u32) -> Option<impl Bytes>;
}

impl Behind for Captured<'_> {
    fn behind(&mut self, offset: u32) -> Option<impl Bytes> {
        self.0.get(offset as usize..).map(Captured)
    }
}

impl Behind for CapturedHead<'_> {
    fn behind(&mut self, offset: u32) -> Option<impl Bytes> {
        Some(CapturedHead {
            bytes: self.bytes.get(offset as usize..)?,
            length: self.length.saturating_sub(offset),
        })
    }
}

/// A frame whose first VXLAN header is followed already.
#[derive(Debug)]
pub struct Nest<'a, B> {
    /// Length of the frame, bytes.
    pub length: u32,
    /// What the parser found; [`descend`] leaves here what it found behind.
    pub packet: &'a mut Packet,
    /// Room for what is found inside.
    pub inner: &'a mut Packet,
    /// The frame's bytes.
    pub bytes: B,
}

/// Follows carriers until `depth` VXLAN headers are passed. What cannot be followed to its end is too
/// deep: the packet is then the last carrier. One that carries no IP is its own traffic.
#[inline(always)]
pub fn descend(nest: Nest<'_, impl Behind>, depth: u32, is_carrier: impl Fn(&Packet) -> bool) {
    let Nest {
        length,
        packet,
        inner,
        mut bytes,
    } = nest;
    for _ in 1..depth {
        if !is_carrier(packet) {
            return;
        }
        let begin = packet.beyond;
        let rest = length.saturating_sub(begin);
        let found = bytes
            .behind(begin)
            .map(|bytes| parse_inside(&bytes, packet, rest, inner));
        match found {
            Some(Ok(())) => packet.enter(inner),
            Some(Err(Rejected::NotOurs(_))) => return,
            Some(Err(Rejected::Malformed(_))) | None => {
                packet.too_deep = true;
                return;
            }
        }
    }
    packet.too_deep |= is_carrier(packet);
}
