//! The parser's entry: a frame, through at most one VXLAN header, to its innermost flow; and the frame
//! behind one more, where the step says that it is to be followed.

use crate::abi::biflow::{Carriage, TcpOptions};
use crate::abi::outer::Within;
use crate::abi::point::Point;

use super::cut::left;
use super::dns::{is_dns, message};
use super::ip::{self, Version};
use super::tcp::options;
use super::transport::{Load, OnVxlanPort, UDP_HEADER, transport};
use super::tunnel::VXLAN_HEADER;
use super::{
    Behind, Bytes, Fragment, IcmpErrorKind, Malformed, NotOurs, Opaque, Packet, Rejected, Timing,
    ethernet, icmp, tcp,
};

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// An Ethernet header.
    Ethernet,
    /// IP: TUN and WireGuard devices have no link layer.
    Ip,
}

/// Whether VXLAN is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expand {
    /// UDP to VXLAN's ports is the flow: at ports, bridge and overlay it would be a pod's own.
    No,
    /// One VXLAN header is followed to the inner flow; behind it `Packet::beyond` names a further one.
    Vxlan,
}

impl Framing {
    /// What frames of a point's devices begin with.
    #[inline(always)]
    #[must_use]
    pub const fn at(point: Point) -> Self {
        match point {
            Point::Tunnel | Point::FlannelWg => Self::Ip,
            Point::Port
            | Point::Bridge
            | Point::Overlay
            | Point::Underlay0
            | Point::Underlay1
            | Point::Underlay2 => Self::Ethernet,
        }
    }
}

impl Expand {
    /// Whether VXLAN is opened at a point.
    #[inline(always)]
    #[must_use]
    pub const fn at(point: Point) -> Self {
        if point.carries_host_traffic() {
            Self::Vxlan
        } else {
            Self::No
        }
    }
}

/// Parses a frame of `length` bytes on the wire, of which `bytes` can read all or the head. Of what the
/// head cuts it says what is left.
///
/// # Errors
/// Says whether the frame is none of ours or lies about itself, at its outer or inner headers.
pub fn parse(
    bytes: &(impl Bytes + Behind + Clone),
    framing: Framing,
    expand: Expand,
    length: u32,
) -> Result<Packet, Rejected> {
    let mut packet = Packet::EMPTY;
    let parsed = parse_into(bytes, framing, expand, length, &mut packet);
    match parsed.and_then(|()| finish(bytes, &mut packet)) {
        Err(_) if bytes.is_cut_before(packet.missing) => {
            left(bytes, framing, expand, length, &mut packet)?;
            finish(bytes, &mut packet)?;
        }
        read => read?,
    }
    Ok(packet)
}

/// Reads what is read last, once the innermost packet is known: other TCP options than the usual ones, and a
/// message of DNS.
///
/// # Errors
/// As [`options`].
pub fn finish(bytes: &(impl Bytes + Behind + Clone), packet: &mut Packet) -> Result<(), Rejected> {
    if packet.options_at != 0 {
        options(&mut bytes.clone(), packet)?;
    }
    if is_dns(packet) {
        message(bytes, packet);
    }
    Ok(())
}

/// As [`parse`], into room of the caller: the kernel's stack has none for a packet. What was in it
/// does not matter; after an error it is worth nothing but to [`left`]. TCP options that are not the usual
/// ones are left to [`options`], DNS to [`message`].
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_into<B: Bytes>(
    bytes: &B,
    framing: Framing,
    expand: Expand,
    length: u32,
    packet: &mut Packet,
) -> Result<(), Rejected> {
    let load = innermost(bytes, framing, expand, length, packet)?;
    if B::IS_WINDOW {
        return Ok(());
    }
    if let Load::Segment(options) = load {
        tcp::stamps(bytes, options, packet)?;
    }
    icmp::quoted(bytes, packet)?;
    Ok(())
}

/// The IP version of the outer packet, and its offset.
#[inline(always)]
pub(super) fn begin(
    bytes: &impl Bytes,
    framing: Framing,
    packet: &mut Packet,
) -> Result<(Version, usize), Rejected> {
    match framing {
        Framing::Ethernet => ethernet::link(bytes, packet),
        Framing::Ip => match bytes.at::<2>(0).map(|first| first[0] >> 4) {
            Some(4) => Ok((Version::V4, 0)),
            Some(6) => Ok((Version::V6, 0)),
            Some(_) => Err(Rejected::NotOurs(NotOurs::Version)),
            None => Err(Malformed::Empty.into()),
        },
    }
}

/// Follows the headers to the innermost packet, and answers with what it carries.
#[inline(always)]
fn innermost<B: Bytes>(
    bytes: &B,
    framing: Framing,
    expand: Expand,
    length: u32,
    packet: &mut Packet,
) -> Result<Load, Rejected> {
    if !B::IS_WINDOW {
        packet.missing = 0;
        packet.options_at = 0;
    }
    let length = length as usize;
    let (version, offset) = begin(bytes, framing, packet)?;
    packet.carriage = Carriage::Plain;
    clear(packet);
    let network = ip::network(bytes, version, offset, length, packet)?;
    let on_port = match expand {
        Expand::No => OnVxlanPort::Datagram,
        Expand::Vxlan => OnVxlanPort::Vxlan,
    };
    let load = transport(bytes, &network, packet, on_port)?;
    if load != Load::Vxlan {
        return Ok(load);
    }
    (packet.outer.source, packet.outer.destination) = (network.source, network.destination);
    packet.outer.fragment = packet.fragment;
    packet.outer.payload_offset = packet.payload_offset;
    packet.outer.within = Within::NOTHING;
    packet.carriage = Carriage::Vxlan;
    // The first fragment holds less than the inner packet says.
    let bound = match packet.fragment {
        Fragment::First => usize::from(u16::MAX),
        Fragment::None | Fragment::Later => length,
    };
    let link = network.transport + UDP_HEADER + VXLAN_HEADER;
    inside(bytes, link, bound, packet)
}

/// Parses the Ethernet frame that the VXLAN header before `packet.beyond` carries: `bytes` begin with
/// it, and all offsets too. `length` is that of the frame around it from there on.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub(super) fn parse_inside(
    bytes: &impl Bytes,
    carrier: &Packet,
    length: u32,
    packet: &mut Packet,
) -> Result<(), Rejected> {
    packet.missing = 0;
    packet.options_at = 0;
    clear(packet);
    let bound = match carrier.fragment {
        Fragment::First => usize::from(u16::MAX),
        Fragment::None | Fragment::Later => length as usize,
    };
    if let Load::Segment(options) = inside(bytes, 0, bound, packet)? {
        tcp::stamps(bytes, options, packet)?;
    }
    icmp::quoted(bytes, packet)?;
    Ok(())
}

/// What a packet that hides another one in sight leaves as it is.
#[inline(always)]
fn clear(packet: &mut Packet) {
    packet.too_deep = false;
    packet.beyond = 0;
    packet.timing = Timing::NONE;
    packet.opaque = Opaque::None;
    packet.session = 0;
    packet.options = TcpOptions::NONE;
    packet.error.kind = IcmpErrorKind::None;
}

/// Follows the headers inside VXLAN from the Ethernet header at `link` on, to at most `bound`.
#[inline(always)]
fn inside<B: Bytes>(
    bytes: &B,
    link: usize,
    bound: usize,
    packet: &mut Packet,
) -> Result<Load, Rejected> {
    let version = ethernet::version(bytes, link, packet, Malformed::InnerEthernetShort)?;
    let network = ip::network(bytes, version, link + ethernet::HEADER, bound, packet)?;
    let load = transport(bytes, &network, packet, OnVxlanPort::Maybe)?;
    if load == Load::Vxlan {
        if B::IS_WINDOW {
            return Err(Malformed::VxlanShort.into());
        }
        packet.beyond = packet.payload_offset + ip::word(VXLAN_HEADER);
    }
    Ok(load)
}
