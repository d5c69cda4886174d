//! DNS messages over UDP (RFC 1035, section 4.1.1): which query an answer is for.
//!
//! Never: a name, a record, a judgement on what was answered.

use crate::abi::key::FlowKind;

use super::transport::{UDP, UDP_HEADER};
use super::{Bytes, Packet, TimingKind};

/// Port of DNS servers.
pub(super) const DNS: u16 = 53;
/// Bytes of a message's header.
const HEADER: usize = 12;
/// Bytes that are looked at: the UDP header, id, flags.
const LOOK: usize = UDP_HEADER + 4;
/// The flag that tells an answer from a query.
const ANSWER: u8 = 0x80;
/// A UDP header beyond is not looked at; a mask that changes no offset that is.
const FRAME_MASK: usize = 1023;

/// True of a datagram to or from a server's port.
#[inline(always)]
#[must_use]
pub fn is_dns(packet: &Packet) -> bool {
    let key = &packet.key;
    key.protocol == UDP
        && key.kind == FlowKind::Flow as u8
        && (u16::from_be_bytes(key.low_port) == DNS || u16::from_be_bytes(key.high_port) == DNS)
}

/// Of a datagram to or from a server's port: keeps what pairs a message with its other half, its client's
/// port, which the key leaves out, and its id. One id from two ports is two queries. A datagram shorter
/// than a header, an answer to a server and a query from one are no such message; what cannot be read is
/// not timed. False if the bytes are not there.
#[inline(always)]
pub fn message(bytes: &impl Bytes, packet: &mut Packet) -> bool {
    let begin = (packet.payload_offset as usize).wrapping_sub(UDP_HEADER);
    if begin > FRAME_MASK {
        return true;
    }
    let begin = begin & FRAME_MASK;
    let Some(header) = bytes.at::<LOOK>(begin) else {
        return false;
    };
    read(header, begin, packet);
    true
}

#[inline(always)]
fn read(header: &[u8; LOOK], begin: usize, packet: &mut Packet) {
    let &[a, b, c, d, e, f, _, _, g, h, flags, _] = header;
    let [source, destination, length, id] =
        [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes);
    let behind = packet.network_offset as usize + packet.length as usize;
    let length = match usize::from(length) {
        0 => behind.saturating_sub(begin),
        length => length,
    };
    if length < UDP_HEADER + HEADER || begin + UDP_HEADER + HEADER > behind {
        return;
    }
    let (kind, client, server) = if flags & ANSWER == 0 {
        (TimingKind::DnsQuery, source, destination)
    } else {
        (TimingKind::DnsAnswer, destination, source)
    };
    if server != DNS {
        return;
    }
    let token = u32::from(client) << 16 | u32::from(id);
    packet.timing.kind = kind;
    packet.timing.probe = token;
    packet.timing.answer = token;
    packet.timing.occupies = matches!(kind, TimingKind::DnsQuery);
}
