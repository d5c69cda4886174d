//! ICMP (RFC 792) and its IPv6 twin (RFC 4443): echoes, and errors with the packet that they quote.
//! A tunnel in a quote is not opened: the error is about the outer packet. What keeps an IPv6 link going
//! and no router forwards is refused, as ARP is.

use crate::abi::key::{Address, Endpoint, Family, FlowKind};

use super::ip::{IPV4_HEADER, IPV6_HEADER, Network, addresses, forget, fragment, word};
use super::transport::{ICMP, ICMPV6, TCP, UDP, without_client};
use super::{Bytes, Fragment, Malformed, NotOurs, Packet, Rejected, TimingKind};

/// An ICMP error. Its packet's key is that of the flow that it is about, of
/// [`FlowKind::IcmpError`]; its packet's direction in that flow is towards the quoted packet's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// What it says.
    pub kind: IcmpErrorKind,
    /// Code as on the wire.
    pub code: u8,
    /// How much of the quoted packet's tuple is there.
    pub quote: Quote,
    /// MTU of the next hop, as announced (RFC 1191, RFC 8201), bytes; 0 = none.
    pub mtu: u32,
    /// Who sent it: a router on the way, or the far end.
    pub sender: Address,
}

impl IcmpError {
    /// No error.
    pub const NONE: Self = Self {
        kind: IcmpErrorKind::None,
        code: 0,
        quote: Quote::None,
        mtu: 0,
        sender: Address::UNSPECIFIED,
    };
}

/// What an ICMP error says of the quoted packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum IcmpErrorKind {
    /// It is no error.
    #[default]
    None = 0,
    /// It could not be delivered.
    Unreachable = 1,
    /// It is longer than the next hop takes, and must not be cut: code 4 of the unreachable ones in
    /// IPv4, a type of its own in IPv6.
    TooBig = 2,
    /// Its hops or the time for its fragments ran out.
    TimeExceeded = 3,
    /// Its header lies.
    ParameterProblem = 4,
    /// It came too fast (RFC 6633: out of use).
    SourceQuench = 5,
    /// There is a better first hop for it.
    Redirect = 6,
}

/// What of a quoted packet could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Quote {
    /// No IP header: the key is that of the error's own ends.
    #[default]
    None = 0,
    /// Addresses and protocol; its ports are cut off, or it is a later fragment or begins with another
    /// IPv6 extension header than that of a fragment.
    Ends = 1,
    /// Its ports too, where its protocol has any.
    Flow = 2,
}

const HEADER: usize = 8;
/// Bytes of a quoted transport header that are looked at: as many as every error quotes (RFC 792).
const TRANSPORT: usize = 8;
const FRAGMENT: u8 = 44;
const FRAGMENT_HEADER: usize = 8;
/// Offsets of a quote lie below: a mask that changes none of them.
const FRAME_MASK: usize = 2047;

/// Reads a message's header: an echo's identifier into both ports, so that request and reply meet in
/// one flow; what an error says. Its quote is for [`quoted`] to read.
#[inline(always)]
pub(super) fn message<B: Bytes>(
    bytes: &B,
    network: &Network,
    packet: &mut Packet,
) -> Result<(), Rejected> {
    let offset = network.transport;
    let header = bytes.need::<HEADER>(offset, packet, Malformed::IcmpShort)?;
    if offset + HEADER > network.end {
        return Err(Malformed::IcmpShort.into());
    }
    packet.payload_offset = word(offset + HEADER);
    network.set_ends(packet, 0, 0);
    let kind = match (packet.key.protocol, header[0]) {
        (ICMP, 8) | (ICMPV6, 128) => TimingKind::EchoRequest,
        (ICMP, 0) | (ICMPV6, 129) => TimingKind::EchoReply,
        // Nothing about an error is usual.
        (ICMP, 3..=5 | 11 | 12) | (ICMPV6, 1..=4) if B::IS_WINDOW => {
            return Err(Malformed::IcmpShort.into());
        }
        (ICMPV6, 133..=137) => return Err(Rejected::NotOurs(NotOurs::NeighbourDiscovery)),
        (ICMPV6, 130..=132 | 143) => return Err(Rejected::NotOurs(NotOurs::MulticastListener)),
        _ => {
            error(header, network, packet);
            return Ok(());
        }
    };
    packet.key.low_port = [header[4], header[5]];
    packet.key.high_port = [header[4], header[5]];
    if packet.fragment == Fragment::None {
        let token = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        packet.timing.kind = kind;
        packet.timing.probe = token;
        packet.timing.answer = token;
        packet.timing.occupies = kind == TimingKind::EchoRequest;
    }
    Ok(())
}

/// What a message that is no echo says, if it is an error.
#[inline(always)]
fn error(header: &[u8; HEADER], network: &Network, packet: &mut Packet) {
    let short_mtu = u32::from(u16::from_be_bytes([header[6], header[7]]));
    let long_mtu = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let (kind, mtu) = match (packet.key.protocol, header[0], header[1]) {
        (ICMP, 3, 4) => (IcmpErrorKind::TooBig, short_mtu),
        (ICMP, 3, _) | (ICMPV6, 1, _) => (IcmpErrorKind::Unreachable, 0),
        (ICMP, 4, _) => (IcmpErrorKind::SourceQuench, 0),
        (ICMP, 5, _) => (IcmpErrorKind::Redirect, 0),
        (ICMPV6, 2, _) => (IcmpErrorKind::TooBig, long_mtu),
        (ICMP, 11, _) | (ICMPV6, 3, _) => (IcmpErrorKind::TimeExceeded, 0),
        (ICMP, 12, _) | (ICMPV6, 4, _) => (IcmpErrorKind::ParameterProblem, 0),
        _ => return,
    };
    packet.key.kind = FlowKind::IcmpError as u8;
    packet.error = IcmpError {
        kind,
        code: header[1],
        quote: Quote::None,
        mtu,
        sender: network.source,
    };
}

/// Of an error: turns the packet's key into that of the quoted packet's flow. A quote that ends early
/// is no lie; what the message has and `bytes` have not makes it unreadable.
#[inline(always)]
pub(super) fn quoted(bytes: &impl Bytes, packet: &mut Packet) -> Result<(), Malformed> {
    if packet.error.kind == IcmpErrorKind::None {
        return Ok(());
    }
    let begin = packet.payload_offset as usize;
    let begin = forget(packet, begin) & FRAME_MASK;
    let end = packet.network_offset as usize + packet.length as usize;
    let read = if packet.key.family == Family::V4 as u8 {
        version_4(bytes, (begin, end), packet)?
    } else {
        version_6(bytes, (begin, end), packet)?
    };
    let Some(quoted) = read else {
        return Ok(());
    };
    let ports = ports(bytes, &quoted, end, packet)?;
    let (source, destination) = ports.unwrap_or((0, 0));
    packet.error.quote = if ports.is_some() {
        Quote::Flow
    } else {
        Quote::Ends
    };
    packet.key.protocol = quoted.protocol;
    let end = |address, port| Endpoint { address, port };
    packet.direction = packet
        .key
        .set_ends(
            end(quoted.source, source),
            end(quoted.destination, destination),
        )
        .reverse();
    Ok(())
}

/// The header of a quoted packet.
struct Quoted {
    source: Address,
    destination: Address,
    protocol: u8,
    is_later: bool,
    /// Offset of its transport header in the frame.
    transport: usize,
}

/// None if the message ends before the header does, or it is another protocol's.
#[inline(always)]
fn version_4(
    bytes: &impl Bytes,
    (begin, end): (usize, usize),
    packet: &mut Packet,
) -> Result<Option<Quoted>, Malformed> {
    if begin + IPV4_HEADER > end {
        return Ok(None);
    }
    let header = bytes.need::<IPV4_HEADER>(begin, packet, Malformed::IcmpShort)?;
    let length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || length < IPV4_HEADER {
        return Ok(None);
    }
    let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    Ok(Some(Quoted {
        source: Address::v4([header[12], header[13], header[14], header[15]]),
        destination: Address::v4([header[16], header[17], header[18], header[19]]),
        protocol: header[9],
        is_later: offset != 0,
        transport: begin + length,
    }))
}

/// As [`version_4`]. Of extension headers only a fragment's is stepped over: kernels write no other.
#[inline(always)]
fn version_6(
    bytes: &impl Bytes,
    (begin, end): (usize, usize),
    packet: &mut Packet,
) -> Result<Option<Quoted>, Malformed> {
    if begin + IPV6_HEADER > end {
        return Ok(None);
    }
    let header = bytes.need::<IPV6_HEADER>(begin, packet, Malformed::IcmpShort)?;
    let Some((source, destination)) = addresses(header).filter(|_| header[0] >> 4 == 6) else {
        return Ok(None);
    };
    let mut quoted = Quoted {
        source,
        destination,
        protocol: header[6],
        is_later: false,
        transport: begin + IPV6_HEADER,
    };
    if quoted.protocol == FRAGMENT && quoted.transport + FRAGMENT_HEADER <= end {
        let at = quoted.transport;
        let header = bytes.need::<FRAGMENT_HEADER>(at, packet, Malformed::IcmpShort)?;
        let word = u16::from_be_bytes([header[2], header[3]]);
        quoted.protocol = header[0];
        quoted.is_later = fragment(word >> 3, word & 1 != 0) == Fragment::Later;
        quoted.transport += FRAGMENT_HEADER;
    }
    Ok(Some(quoted))
}

/// (source, destination) port as the flow's key has them.
#[inline(always)]
fn ports(
    bytes: &impl Bytes,
    quoted: &Quoted,
    end: usize,
    packet: &mut Packet,
) -> Result<Option<(u16, u16)>, Malformed> {
    if quoted.is_later || quoted.transport + TRANSPORT > end {
        return Ok(None);
    }
    let header = bytes.need::<TRANSPORT>(quoted.transport, packet, Malformed::IcmpShort)?;
    let source = u16::from_be_bytes([header[0], header[1]]);
    let destination = u16::from_be_bytes([header[2], header[3]]);
    let identifier = u16::from_be_bytes([header[4], header[5]]);
    Ok(match (quoted.protocol, header[0]) {
        (TCP, _) => Some((source, destination)),
        (UDP, _) => Some(without_client(source, destination)),
        (ICMP, 0 | 8) | (ICMPV6, 128 | 129) => Some((identifier, identifier)),
        (0 | 43 | 44 | 60, _) => None,
        _ => Some((0, 0)),
    })
}
