//! From the network layer to the transport: ports, payload offset, timing, tunnel signatures.

use super::dns::DNS;
use super::ip::{Network, word};
use super::tunnel::{VXLAN_HEADER, is_vxlan, is_vxlan_port, signature};
use super::{Bytes, Fragment, Malformed, NotOurs, Opaque, Packet, Rejected, icmp, tcp};
use crate::abi::key::Family;

pub(super) const ICMP: u8 = 1;
const IGMP: u8 = 2;
pub(super) const TCP: u8 = 6;
/// Protocol number of UDP.
pub(crate) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

pub(super) const UDP_HEADER: usize = 8;

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Nothing that is looked at any more.
    Plain,
    /// A segment, whose options are read last.
    Segment(tcp::Options),
    /// Another packet.
    Vxlan,
}

/// What a datagram to VXLAN's port is taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnVxlanPort {
    /// The flow's own datagram: pods may use any port.
    Datagram,
    /// VXLAN by its signature, else a datagram.
    Maybe,
    /// VXLAN; too short for its header is a lie.
    Vxlan,
}

/// Reads the transport header: ends, payload offset, timing and opacity of `packet`. Of VXLAN that is
/// opened it reads no ends.
#[inline(always)]
pub(super) fn transport(
    bytes: &impl Bytes,
    network: &Network,
    packet: &mut Packet,
    on_port: OnVxlanPort,
) -> Result<Load, Rejected> {
    packet.payload_offset = word(network.transport);
    if packet.fragment == Fragment::Later {
        network.set_ends(packet, 0, 0);
        if packet.key.protocol == UDP {
            packet.opaque = Opaque::LaterFragment;
        }
        return Ok(Load::Plain);
    }
    match packet.key.protocol {
        TCP => {
            packet.opaque = Opaque::Tcp;
            return Ok(Load::Segment(tcp::segment(bytes, network, packet)?));
        }
        UDP => return Ok(udp(bytes, network, packet, on_port)?),
        ICMP | ICMPV6 => icmp::message(bytes, network, packet)?,
        IGMP if packet.key.family == Family::V4 as u8 => {
            return Err(Rejected::NotOurs(NotOurs::MulticastListener));
        }
        _ => network.set_ends(packet, 0, 0),
    }
    Ok(Load::Plain)
}

#[inline(always)]
fn udp<B: Bytes>(
    bytes: &B,
    network: &Network,
    packet: &mut Packet,
    on_port: OnVxlanPort,
) -> Result<Load, Malformed> {
    let offset = network.transport;
    let header = bytes.need::<UDP_HEADER>(offset, packet, Malformed::UdpShort)?;
    let payload = offset + UDP_HEADER;
    if payload > network.end {
        return Err(Malformed::UdpShort);
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let end = match length {
        0 => network.end,
        length if length < UDP_HEADER => return Err(Malformed::UdpLength),
        length if offset + length <= network.end => offset + length,
        // The first fragment states the length of the whole datagram.
        _ if packet.fragment == Fragment::First => network.end,
        _ => return Err(Malformed::UdpLength),
    };
    let destination = u16::from_be_bytes([header[2], header[3]]);
    let source = u16::from_be_bytes([header[0], header[1]]);
    packet.payload_offset = word(payload);
    if is_vxlan_port(destination) {
        let is_vxlan = match on_port {
            OnVxlanPort::Datagram => false,
            OnVxlanPort::Maybe => {
                payload + VXLAN_HEADER <= end && is_vxlan(bytes, (payload, end), packet)?
            }
            OnVxlanPort::Vxlan => is_vxlan(bytes, (payload, end), packet)?,
        };
        if is_vxlan {
            if on_port == OnVxlanPort::Maybe {
                network.set_ends(packet, source, destination);
            }
            return Ok(Load::Vxlan);
        }
    }
    if B::IS_WINDOW && (source == DNS || destination == DNS) {
        // What a message asks is read last.
        return Err(Malformed::UdpShort);
    }
    let (source, destination) = without_client(source, destination);
    network.set_ends(packet, source, destination);
    let may_be_nodes = on_port != OnVxlanPort::Datagram;
    (packet.opaque, packet.session) = signature(bytes, (payload, end), may_be_nodes, packet)?;
    Ok(Load::Plain)
}

/// Ports of a datagram without the one that a DNS client took for a single query: a flow per query would
/// flush the others out of the map.
#[inline(always)]
pub(super) const fn without_client(source: u16, destination: u16) -> (u16, u16) {
    match (source, destination) {
        (DNS, DNS) => (DNS, DNS),
        (DNS, _) => (DNS, 0),
        (_, DNS) => (0, DNS),
        both => both,
    }
}
