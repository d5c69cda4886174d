//! TCP headers (RFC 9293) and their timestamps option (RFC 7323).

use super::ip::{Network, forget, word};
use super::packet::{TCP_FIN, TCP_SYN};
use super::{Bytes, Fragment, Malformed, Packet, Timing, TimingKind};

/// Bytes of a header without options.
const HEADER: usize = 20;
/// Options read before giving up: a SYN of any common stack has its timestamps among the first five,
/// a later segment among the first three.
const OPTIONS: usize = 10;

/// Options take up to 40 bytes, and begin within 648 of the frame's begin. The masks change no offset:
/// they are the only bounds that a verifier knows of what [`forget`] hands back. (Before Linux 6.8 it
/// learns none from the comparison of two variables; later ones have one history instead of many.)
const OPTION_MASK: usize = 63;
const START_MASK: usize = 1023;

const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const TIMESTAMPS: u8 = 8;

/// Reads the header: ports into the key, and what times a round trip.
#[inline(always)]
pub(super) fn segment(
    bytes: &impl Bytes,
    network: &Network,
    packet: &mut Packet,
) -> Result<(), Malformed> {
    let offset = network.transport;
    let header = bytes.at::<HEADER>(offset).ok_or(Malformed::TcpShort)?;
    if offset + HEADER > network.end {
        return Err(Malformed::TcpShort);
    }
    let header_length = usize::from(header[12] >> 4) * 4;
    let payload = offset + header_length;
    // The first fragment of a segment may end anywhere behind the header.
    if header_length < HEADER || payload > network.end {
        return Err(Malformed::TcpDataOffset);
    }
    let source = u16::from_be_bytes([header[0], header[1]]);
    let destination = u16::from_be_bytes([header[2], header[3]]);
    network.set_ends(packet, source, destination);
    let flags = header[13];
    let control = u32::from(flags & TCP_SYN != 0) + u32::from(flags & TCP_FIN != 0);
    let occupied = word(network.end - payload) + control;
    let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let timing = &mut packet.timing;
    timing.tcp_flags = flags;
    timing.occupies = occupied > 0;
    timing.sequence_end = sequence.wrapping_add(occupied);
    timing.ack = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let stamped = stamps(bytes, offset + HEADER, payload, packet)?;
    packet.payload_offset = word(payload);
    packet.timing.kind = match (packet.fragment, stamped) {
        (Fragment::First | Fragment::Later, _) => TimingKind::None,
        (Fragment::None, true) => TimingKind::TcpStamped,
        (Fragment::None, false) => TimingKind::TcpPlain,
    };
    Ok(())
}

/// Keeps `TSval` and `TSecr`; true if the option is there. The packet's payload offset is lost.
#[inline(always)]
fn stamps<B: Bytes>(
    bytes: &B,
    start: usize,
    end: usize,
    packet: &mut Packet,
) -> Result<bool, Malformed> {
    // What every Linux segment but the SYN carries: NOP, NOP, timestamps.
    if end - start >= 12 {
        let head = bytes.at::<12>(start).ok_or(Malformed::TcpShort)?;
        if matches!(head, [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, ..]) {
            keep(&mut packet.timing, head);
            return Ok(true);
        }
    }
    if B::IS_WINDOW {
        return Err(Malformed::TcpOption);
    }
    let start = forget(packet, start) & START_MASK;
    let length = forget(packet, end - start) & OPTION_MASK;
    let mut offset = 0;
    for _ in 0..OPTIONS {
        if offset >= length {
            break;
        }
        // Read with its predecessor: the verifier learns nothing from a bound of one byte.
        let kind = bytes
            .at::<2>(start + offset - 1)
            .ok_or(Malformed::TcpShort)?[1];
        if kind == END_OF_OPTIONS {
            break;
        }
        if kind == NO_OPERATION {
            offset = forget(packet, offset + 1) & OPTION_MASK;
            continue;
        }
        let option = bytes.at::<2>(start + offset).ok_or(Malformed::TcpOption)?;
        let size = usize::from(option[1]);
        if offset + 2 > length || size < 2 || offset + size > length {
            return Err(Malformed::TcpOption);
        }
        if kind == TIMESTAMPS && size == 10 {
            // Two bytes before the option are header or option bytes: one layout serves both ways.
            let window = bytes
                .at::<12>(start + offset - 2)
                .ok_or(Malformed::TcpOption)?;
            keep(&mut packet.timing, window);
            return Ok(true);
        }
        offset = forget(packet, offset + size) & OPTION_MASK;
    }
    Ok(false)
}

#[inline(always)]
const fn keep(timing: &mut Timing, window: &[u8; 12]) {
    timing.probe = u32::from_be_bytes([window[4], window[5], window[6], window[7]]);
    timing.answer = u32::from_be_bytes([window[8], window[9], window[10], window[11]]);
}
