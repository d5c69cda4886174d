//! TCP headers (RFC 9293) with the options that time or describe a connection: timestamps and window
//! scale (RFC 7323), MSS, selective acknowledgements (RFC 2018).

use crate::abi::biflow::TcpOptions;

use super::ip::{Network, forget, word};
use super::packet::{TCP_FIN, TCP_SYN};
use super::{Behind, Bytes, Fragment, Malformed, Packet, Rejected, Timing, TimingKind};

/// Bytes of a header without options.
const HEADER: usize = 20;
/// Options read before giving up: a SYN of any common stack has no more.
const OPTIONS: usize = 10;

/// Options take up to 40 bytes, and begin within 648 of the frame's begin. The masks change no offset:
/// they are the only bounds that a verifier knows of what [`forget`] hands back. (Before Linux 6.8 it
/// learns none from the comparison of two variables; later ones have one history instead of many.)
const OPTION_MASK: usize = 63;
const START_MASK: usize = 1023;

const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
/// Bytes of the timestamps and the two before them.
const STAMPED: usize = 12;
/// Bytes before the options that are looked at with them.
const BEFORE: usize = 2;

/// Reads the header: ports into the key, and what times a round trip.
#[inline(always)]
pub(super) fn segment<B: Bytes>(
    bytes: &B,
    network: &Network,
    packet: &mut Packet,
) -> Result<Options, Malformed> {
    let offset = network.transport;
    let header = bytes.need::<HEADER>(offset, packet, Malformed::TcpShort)?;
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
    timing.kind = TimingKind::TcpPlain;
    packet.payload_offset = word(payload);
    let options = Options {
        start: offset + HEADER,
        end: payload,
    };
    if B::IS_WINDOW {
        // Only SYNs and selective acknowledgements have more than the timestamps.
        if options.length() != STAMPED || !is_stamped(bytes, &options, packet)? {
            return Err(Malformed::TcpOption);
        }
        leave_cut_untimed(packet);
    }
    Ok(options)
}

/// Where a segment's options lie in its frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    start: usize,
    /// Where its payload begins too.
    end: usize,
}

impl Options {
    #[inline(always)]
    const fn length(&self) -> usize {
        self.end - self.start
    }
}

/// True, and the timestamps kept, if options begin as those of every Linux segment but the SYN do: NOP,
/// NOP, timestamps.
#[inline(always)]
fn is_stamped(
    bytes: &impl Bytes,
    options: &Options,
    packet: &mut Packet,
) -> Result<bool, Malformed> {
    if options.length() < STAMPED {
        return Ok(false);
    }
    let head = bytes.need::<STAMPED>(options.start, packet, Malformed::TcpShort)?;
    let is_stamped = matches!(head, [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, ..]);
    if is_stamped {
        keep(&mut packet.timing, head);
    }
    Ok(is_stamped)
}

/// Reads the timestamps of the innermost segment where Linux puts them, and notes where there are other
/// options: they are for [`options`] to read. Once for all headers that may stand before it.
#[inline(always)]
pub(super) fn stamps(
    bytes: &impl Bytes,
    options: Options,
    packet: &mut Packet,
) -> Result<(), Malformed> {
    let options = Options {
        start: forget(packet, options.start) & START_MASK,
        end: forget(packet, options.end) & START_MASK,
    };
    let read = if is_stamped(bytes, &options, packet)? {
        STAMPED
    } else {
        0
    };
    packet.payload_offset = word(options.end);
    if options.length() > read {
        packet.options_at = word(options.start + read);
    } else {
        leave_cut_untimed(packet);
    }
    Ok(())
}

/// Reads the options that begin at `options_at`: `TSval` and `TSecr`, and of a connection what
/// [`TcpOptions`] keeps. By itself, as the loop is dear to verify: once, whatever held the headers.
///
/// # Errors
/// Says how the options lie; or what is missing of them, and then `Packet::missing` says so too.
#[inline(always)]
pub fn options(frame: &mut impl Behind, packet: &mut Packet) -> Result<(), Rejected> {
    let begin = packet.options_at;
    let end = packet.payload_offset;
    packet.options_at = 0;
    let length = end.wrapping_sub(begin) as usize & OPTION_MASK;
    let Some(bytes) = frame.behind(begin.wrapping_sub(word(BEFORE))) else {
        return Err(lack(packet, end, Malformed::TcpShort).into());
    };
    let mut offset = 0;
    for _ in 0..OPTIONS {
        offset = forget(packet, offset) & OPTION_MASK;
        if offset >= length {
            break;
        }
        // Read with its predecessor: the verifier learns nothing from a bound of one byte.
        let kind = bytes
            .at::<2>(BEFORE + offset - 1)
            .ok_or_else(|| lack(packet, end, Malformed::TcpShort))?[1];
        if kind == END_OF_OPTIONS {
            break;
        }
        if kind == NO_OPERATION {
            offset += 1;
            continue;
        }
        let option = bytes
            .at::<2>(BEFORE + offset)
            .ok_or_else(|| lack(packet, end, Malformed::TcpOption))?;
        let size = usize::from(option[1]);
        if offset + 2 > length || size < 2 || offset + size > length {
            return Err(Malformed::TcpOption.into());
        }
        let is_syn = packet.timing.tcp_flags & TCP_SYN != 0;
        match (kind, size) {
            (TIMESTAMPS, 10) => {
                // Two bytes before the option are header or option bytes: one layout serves both ways.
                let window = bytes
                    .at::<STAMPED>(offset)
                    .ok_or_else(|| lack(packet, end, Malformed::TcpOption))?;
                keep(&mut packet.timing, window);
            }
            (MSS, 4) if is_syn => {
                let option = bytes
                    .at::<4>(BEFORE + offset)
                    .ok_or_else(|| lack(packet, end, Malformed::TcpOption))?;
                packet.options.mss = u16::from_be_bytes([option[2], option[3]]);
                packet.options.flags |= TcpOptions::MSS;
            }
            (WINDOW_SCALE, 3) if is_syn => {
                let option = bytes
                    .at::<4>(BEFORE + offset - 1)
                    .ok_or_else(|| lack(packet, end, Malformed::TcpOption))?;
                packet.options.window_scale = option[3];
                packet.options.flags |= TcpOptions::WINDOW_SCALE;
            }
            (SACK_PERMITTED, 2) if is_syn => packet.options.flags |= TcpOptions::SACK_PERMITTED,
            (SACK, 10..) => packet.options.flags |= TcpOptions::SACK_BLOCKS,
            _ => {}
        }
        offset += size;
    }
    packet.payload_offset = end;
    leave_cut_untimed(packet);
    Ok(())
}

/// Options up to `end` that the packet has and that cannot be read.
#[inline(always)]
fn lack(packet: &mut Packet, end: u32, short: Malformed) -> Malformed {
    packet.payload_offset = end;
    packet.missing = end;
    leave_cut_untimed(packet);
    short
}

/// A first fragment may hold less than its sequence numbers say.
#[inline(always)]
fn leave_cut_untimed(packet: &mut Packet) {
    if packet.fragment != Fragment::None {
        packet.timing.kind = TimingKind::None;
    }
}

#[inline(always)]
const fn keep(timing: &mut Timing, window: &[u8; STAMPED]) {
    timing.kind = TimingKind::TcpStamped;
    timing.probe = u32::from_be_bytes([window[4], window[5], window[6], window[7]]);
    timing.answer = u32::from_be_bytes([window[8], window[9], window[10], window[11]]);
}
