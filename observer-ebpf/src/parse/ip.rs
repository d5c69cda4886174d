//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers. Options are stepped over; none is interpreted.

use core::hint::black_box;

use crate::abi::key::{Address, Endpoint, Family, FlowKind};

use super::extensions::step_over;
use super::{Bytes, Fragment, Malformed, Packet};

/// IP version, as the link layer or the first nibble says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// The two ends of a packet, and where its load lies.
pub(super) struct Network {
    /// Source address.
    pub(super) source: Address,
    /// Destination address.
    pub(super) destination: Address,
    /// Offset of the transport header in the frame.
    pub(super) transport: usize,
    /// Offset behind the packet's last byte.
    pub(super) end: usize,
}

impl Network {
    /// Stores both ends in the key's order.
    #[inline(always)]
    pub(super) fn set_ends(&self, packet: &mut Packet, source: u16, destination: u16) {
        let end = |address, port| Endpoint { address, port };
        packet.direction = packet
            .key
            .set_ends(end(self.source, source), end(self.destination, destination));
    }
}

pub(super) const IPV4_HEADER: usize = 20;
pub(super) const IPV6_HEADER: usize = 40;

/// Reads the header at `offset` of a frame of `frame_length` bytes: protocol, family, fragmentation
/// and length of `packet`. The transport stores the ends, unless another packet lies within.
#[inline(always)]
pub(super) fn network<B: Bytes>(
    bytes: &B,
    version: Version,
    offset: usize,
    frame_length: usize,
    packet: &mut Packet,
) -> Result<Network, Malformed> {
    let network = match version {
        Version::V4 => ipv4(bytes, offset, frame_length, packet)?,
        Version::V6 if B::IS_WINDOW => return Err(Malformed::Ipv6Short),
        Version::V6 => {
            let network = ipv6(bytes, offset, frame_length, packet)?;
            let (chain, next) = ((network.transport, network.end), packet.key.protocol);
            Network {
                transport: step_over(bytes, next, chain, packet)?,
                ..network
            }
        }
    };
    keep(&network, offset, packet);
    Ok(network)
}

#[inline(always)]
fn keep(network: &Network, offset: usize, packet: &mut Packet) {
    packet.key.kind = match packet.fragment {
        Fragment::None | Fragment::First => FlowKind::Flow as u8,
        Fragment::Later => FlowKind::LaterFragments as u8,
    };
    packet.network_offset = word(offset);
    packet.length = word(network.end - offset);
}

#[inline(always)]
fn ipv4<B: Bytes>(
    bytes: &B,
    offset: usize,
    frame_length: usize,
    packet: &mut Packet,
) -> Result<Network, Malformed> {
    let header = bytes.need::<IPV4_HEADER>(offset, packet, Malformed::Ipv4Short)?;
    if header[0] >> 4 != 4 {
        return Err(Malformed::Ipv4Version);
    }
    let header_length = match usize::from(header[0] & 0x0f) * 4 {
        IPV4_HEADER => IPV4_HEADER,
        _ if B::IS_WINDOW => return Err(Malformed::Ipv4HeaderLength),
        length => length,
    };
    if header_length < IPV4_HEADER || offset + header_length > frame_length {
        return Err(Malformed::Ipv4HeaderLength);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let end = match total {
        // An aggregate beyond 64 KiB says 0 (kernel: include/linux/ip.h, iph_totlen).
        0 => frame_length,
        length if length < header_length || offset + length > frame_length => {
            return Err(Malformed::Ipv4TotalLength);
        }
        length => offset + length,
    };
    packet.key.protocol = header[9];
    packet.key.family = Family::V4 as u8;
    let fragmentation = u16::from_be_bytes([header[6], header[7]]);
    if B::IS_WINDOW && fragmentation & 0x3fff != 0 {
        return Err(Malformed::Ipv4TotalLength);
    }
    packet.fragment = fragment(fragmentation & 0x1fff, fragmentation & 0x2000 != 0);
    if !B::IS_WINDOW {
        packet.identification = u32::from(u16::from_be_bytes([header[4], header[5]]));
    }
    let (source, destination) = addresses_v4(header).ok_or(Malformed::Ipv4Short)?;
    Ok(Network {
        source,
        destination,
        transport: offset + header_length,
        end,
    })
}

#[inline(always)]
fn ipv6(
    bytes: &impl Bytes,
    offset: usize,
    frame_length: usize,
    packet: &mut Packet,
) -> Result<Network, Malformed> {
    let header = bytes.need::<IPV6_HEADER>(offset, packet, Malformed::Ipv6Short)?;
    if header[0] >> 4 != 6 {
        return Err(Malformed::Ipv6Version);
    }
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let transport = offset + IPV6_HEADER;
    let end = match payload {
        0 => frame_length,
        length if transport + length > frame_length => return Err(Malformed::Ipv6PayloadLength),
        length => transport + length,
    };
    let (source, destination) = addresses(header).ok_or(Malformed::Ipv6Short)?;
    packet.key.family = Family::V6 as u8;
    packet.key.protocol = header[6];
    Ok(Network {
        source,
        destination,
        transport,
        end,
    })
}

/// Source and destination of an IPv4 header. As arrays out of the one window: of single octets the
/// compiler makes single loads.
#[inline(always)]
fn addresses_v4(header: &[u8; IPV4_HEADER]) -> Option<(Address, Address)> {
    let (_, rest) = header.split_first_chunk::<12>()?;
    let (source, rest) = rest.split_first_chunk::<4>()?;
    Some((Address::v4(*source), Address::v4(*rest.first_chunk()?)))
}

/// An IPv6 packet as far as its own header: the protocol is what comes next, an extension or not.
#[inline(always)]
pub(super) fn without_extensions(
    bytes: &impl Bytes,
    offset: usize,
    frame_length: usize,
    packet: &mut Packet,
) -> Result<Network, Malformed> {
    let network = ipv6(bytes, offset, frame_length, packet)?;
    packet.fragment = Fragment::None;
    keep(&network, offset, packet);
    Ok(network)
}

/// Source and destination of an IPv6 header. Both out of the one window: a second one has a bound
/// that the compiler drops and the verifier misses.
#[inline(always)]
pub(super) fn addresses(header: &[u8; IPV6_HEADER]) -> Option<(Address, Address)> {
    let (_, rest) = header.split_first_chunk::<8>()?;
    let (source, destination) = rest.split_first_chunk::<16>()?;
    Some((
        Address::v6(*source),
        Address::v6(*destination.first_chunk()?),
    ))
}

#[inline(always)]
pub(super) const fn fragment(offset: u16, more: bool) -> Fragment {
    match (offset, more) {
        (0, false) => Fragment::None,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    }
}

/// An offset or length within one frame as the record's type.
#[expect(
    clippy::cast_possible_truncation,
    reason = "offsets of one frame lie within 32 bits"
)]
#[inline(always)]
pub(super) const fn word(offset: usize) -> u32 {
    offset as u32
}

/// The same offset, by way of the packet's memory: a map, of which the verifier knows nothing. The many
/// ways to an offset have one history behind it.
#[inline(always)]
pub(super) fn forget(packet: &mut Packet, offset: usize) -> usize {
    packet.payload_offset = word(offset);
    black_box(&mut *packet);
    packet.payload_offset as usize
}
