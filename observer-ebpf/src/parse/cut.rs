//! What is left of a packet whose headers go on where its capture, or the kernel's copy of its head, ends:
//! its ends, and its ports, flags and id where they are there. Without the inner addresses it is the outer
//! flow's.
//!
//! Never: a packet whose own length ends in a header. That is a lie, and stays one.

use crate::abi::biflow::{Carriage, TcpOptions};

use super::ip::{IPV4_HEADER, IPV6_HEADER, Network, Version, word};
use super::transport::{ICMP, ICMPV6, TCP, UDP, UDP_HEADER, without_client};
use super::tunnel::{VXLAN_HEADER, VXLAN_VALID, is_vxlan_port};
use super::{
    Bytes, Expand, Fragment, Framing, IcmpErrorKind, Malformed, Opaque, Packet, Rejected, Timing,
    ethernet, frame, icmp, ip,
};

/// Bytes of the ports that TCP and UDP begin with.
const PORTS: usize = 4;
/// Bytes of a TCP header up to its flags, and of one without options.
const FLAGS_END: usize = 14;
const TCP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;
/// Bytes around an Ethernet frame in VXLAN, from the UDP header on.
const HEADERS: usize = UDP_HEADER + VXLAN_HEADER;

/// Fills `packet` again, which [`super::parse_into`] has left without what is missing.
///
/// # Errors
/// As [`super::parse_into`], if not even the outer addresses are there.
#[inline(always)]
pub fn left(
    bytes: &impl Bytes,
    framing: Framing,
    expand: Expand,
    length: u32,
    packet: &mut Packet,
) -> Result<(), Rejected> {
    let missing = packet.missing;
    packet.carriage = Carriage::Plain;
    packet.timing = Timing::NONE;
    packet.opaque = Opaque::None;
    packet.session = 0;
    packet.options = TcpOptions::NONE;
    packet.error.kind = IcmpErrorKind::None;
    let (version, offset) = frame::begin(bytes, framing, packet)?;
    let network = network_of(bytes, version, (offset, length as usize), packet)?;
    let inner = match expand {
        Expand::Vxlan => inside(bytes, &network, length as usize, packet)?,
        Expand::No => None,
    };
    ends(bytes, &inner.unwrap_or(network), packet)?;
    packet.missing = missing;
    Ok(())
}

/// The packet inside VXLAN, if its IP header is there.
#[inline(always)]
fn inside(
    bytes: &impl Bytes,
    network: &Network,
    length: usize,
    packet: &mut Packet,
) -> Result<Option<Network>, Rejected> {
    if packet.key.protocol != UDP || packet.fragment == Fragment::Later {
        return Ok(None);
    }
    let Some(header) = bytes.at::<HEADERS>(network.transport) else {
        return Ok(None);
    };
    let port = u16::from_be_bytes([header[2], header[3]]);
    if !is_vxlan_port(port) || header[UDP_HEADER] & VXLAN_VALID == 0 {
        return Ok(None);
    }
    let link = network.transport + HEADERS;
    let offset = link + ethernet::HEADER;
    let Ok(version) = ethernet::version(bytes, link, packet, Malformed::InnerEthernetShort) else {
        return Ok(None);
    };
    let is_there = match version {
        Version::V4 => bytes.at::<IPV4_HEADER>(offset).is_some(),
        Version::V6 => bytes.at::<IPV6_HEADER>(offset).is_some(),
    };
    if !is_there {
        return Ok(None);
    }
    packet.carriage = Carriage::Vxlan;
    packet.outer.fragment = packet.fragment;
    let bound = match packet.fragment {
        Fragment::First => usize::from(u16::MAX),
        Fragment::None | Fragment::Later => length,
    };
    Ok(Some(network_of(bytes, version, (offset, bound), packet)?))
}

/// An IP header, whose extensions may be what is missing: then it is without any.
#[inline(always)]
fn network_of(
    bytes: &impl Bytes,
    version: Version,
    (offset, length): (usize, usize),
    packet: &mut Packet,
) -> Result<Network, Malformed> {
    packet.missing = 0;
    match ip::network(bytes, version, offset, length, packet) {
        Err(_) if version == Version::V6 && packet.missing != 0 => {
            ip::without_extensions(bytes, offset, length, packet)
        }
        network => network,
    }
}

/// Ends and ports as far as they are there, and what a message of eight bytes says.
#[inline(always)]
fn ends(bytes: &impl Bytes, network: &Network, packet: &mut Packet) -> Result<(), Rejected> {
    let offset = network.transport;
    packet.payload_offset = word(offset);
    let ports = bytes.at::<PORTS>(offset).map_or((0, 0), |ports| {
        let [a, b, c, d] = *ports;
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    });
    let (least, short) = match packet.key.protocol {
        TCP => (TCP_HEADER, Malformed::TcpShort),
        UDP => (UDP_HEADER, Malformed::UdpShort),
        ICMP | ICMPV6 => (ICMP_HEADER, Malformed::IcmpShort),
        _ => (0, Malformed::TcpShort),
    };
    if packet.fragment != Fragment::Later && offset + least > network.end {
        return Err(short.into());
    }
    match packet.key.protocol {
        _ if packet.fragment == Fragment::Later => network.set_ends(packet, 0, 0),
        TCP => {
            packet.opaque = Opaque::Tcp;
            packet.payload_offset = word(offset + TCP_HEADER);
            network.set_ends(packet, ports.0, ports.1);
            if let Some(header) = bytes.at::<FLAGS_END>(offset) {
                packet.timing.tcp_flags = header[FLAGS_END - 1];
            }
        }
        UDP => {
            packet.payload_offset = word(offset + UDP_HEADER);
            let ports = without_client(ports.0, ports.1);
            network.set_ends(packet, ports.0, ports.1);
        }
        ICMP | ICMPV6 if bytes.at::<ICMP_HEADER>(offset).is_some() => {
            icmp::message(bytes, network, packet)?;
        }
        _ => network.set_ends(packet, 0, 0),
    }
    Ok(())
}
