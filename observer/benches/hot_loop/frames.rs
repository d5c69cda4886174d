//! The frames that are measured, built layer by layer. TCP segments of one flow begin and end alike,
//! so that none of them is another's retransmission.

use std::net::Ipv6Addr;

use observer_ebpf::fixtures::layers::{
    DESTINATION, HOP_BY_HOP, ICMP, IPV4, IPV6, Ipv4, Ipv6, TCP, Tcp, UDP, VLAN, echo, ethernet,
    extension, stamped, tag, timestamps, udp, vxlan,
};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_A6, POD_B, POD_B6};
use observer_ebpf::parse::{TCP_ACK, TCP_SYN, VXLAN_PORT};

/// The two nodes by IPv6, outside the pods' networks.
const NODE_A6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 11);
const NODE_B6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 12);
/// A router of the pods' network.
const ROUTER: [u8; 4] = [10, 42, 1, 1];

/// Payload of the frames, bytes: 166 bytes of plain TCP, as in published figures.
const PAYLOAD: [u8; 100] = [0x61; 100];
/// The same as far as a fragment can hold it: a multiple of eight bytes.
const PIECE: [u8; 96] = [0x61; 96];
/// More fragments follow; this one begins behind so many units of eight bytes.
const MORE: u16 = 0x2000;
const BEHIND: u16 = 13;
/// Where the segments of the measured flow end.
const SEQUENCE_END: u32 = 1_100;
/// Bytes of Ethernet.
const LINK: usize = 14;

/// A plain TCP packet between two hosts.
pub(super) fn tcp(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    ethernet(
        IPV4,
        &segment(1, PAYLOAD.len()).between(source, destination),
    )
}

/// The plain TCP packet between the pods with a payload of another length.
pub(super) fn long_tcp(payload: usize) -> Vec<u8> {
    ethernet(IPV4, &segment(1, payload).between(POD_A, POD_B))
}

/// The plain TCP packet that begins the `number`th millisecond of its flow.
pub(super) fn with_new_stamp(number: u32) -> Vec<u8> {
    let segment = Segment {
        sequence_end: SEQUENCE_END + 100 * number,
        ..segment(1 + number, PAYLOAD.len())
    };
    ethernet(IPV4, &segment.between(POD_A, POD_B))
}

/// The pure acknowledgement that answers it.
pub(super) fn reply(number: u32) -> Vec<u8> {
    acknowledgement(&stamped(7, 1 + number))
}

/// An acknowledgement of blocks behind a gap.
pub(super) fn with_blocks() -> Vec<u8> {
    let mut options = stamped(7, 1);
    options.extend([1, 1, 5, 10]);
    options.extend([2_000_u32, 3_000].map(u32::to_be_bytes).concat());
    acknowledgement(&options)
}

/// The first segment of a connection, with all options that Linux gives it.
pub(super) fn syn() -> Vec<u8> {
    let mut options = Vec::from([2, 4, 0x05, 0x78, 4, 2]);
    options.extend(timestamps(1, 0));
    options.extend([1, 3, 3, 7]);
    let segment = Tcp {
        source: 40_001,
        flags: TCP_SYN,
        options: &options,
        ..Tcp::default()
    };
    let packet = Ipv4::new(POD_A, POD_B, TCP).around(&segment.around(&[]));
    ethernet(IPV4, &packet)
}

/// The plain TCP packet behind an IPv4 router alert (RFC 2113).
pub(super) fn tcp_behind_options() -> Vec<u8> {
    let header = Ipv4 {
        options: &[0x94, 4, 0, 0],
        ..Ipv4::new(POD_A, POD_B, TCP)
    };
    ethernet(IPV4, &header.around(&segment(1, PAYLOAD.len()).bytes()))
}

/// The plain TCP packet by IPv6.
pub(super) fn tcp_6() -> Vec<u8> {
    let packet = Ipv6::new(POD_A6, POD_B6, TCP).around(&segment(1, PAYLOAD.len()).bytes());
    ethernet(IPV6, &packet)
}

/// The same behind hop-by-hop and destination options.
pub(super) fn tcp_6_behind_extensions() -> Vec<u8> {
    let segment = segment(1, PAYLOAD.len()).bytes();
    let load = extension(DESTINATION, 0, &extension(TCP, 0, &segment));
    ethernet(IPV6, &Ipv6::new(POD_A6, POD_B6, HOP_BY_HOP).around(&load))
}

/// A frame with a VLAN tag.
pub(super) fn tagged(frame: &[u8]) -> Vec<u8> {
    ethernet(VLAN, &tag(IPV4, frame.get(LINK..).unwrap_or_default()))
}

/// A datagram between the pods.
pub(super) fn datagram() -> Vec<u8> {
    carried(POD_A, POD_B, &udp(40_000, 9_000, &PAYLOAD))
}

/// A DNS query from the first pod, and its answer.
pub(super) fn dns() -> [Vec<u8>; 2] {
    let message = [0x6e; 40];
    [
        carried(POD_A, POD_B, &udp(40_000, 53, &message)),
        carried(POD_B, POD_A, &udp(53, 40_000, &message)),
    ]
}

/// An echo request from the first pod, and its reply.
pub(super) fn ping() -> [Vec<u8>; 2] {
    let message = |kind| echo(kind, 4_660, 7, &[0x70; 56]);
    [
        ethernet(IPV4, &Ipv4::new(POD_A, POD_B, ICMP).around(&message(8))),
        ethernet(IPV4, &Ipv4::new(POD_B, POD_A, ICMP).around(&message(0))),
    ]
}

/// A router tells the first pod that its plain TCP packet was too big; it quotes 28 bytes of it.
pub(super) fn too_big() -> Vec<u8> {
    const UNREACHABLE: u8 = 3;
    const FRAGMENTATION_NEEDED: u8 = 4;
    let quoted = segment(1, PAYLOAD.len()).between(POD_A, POD_B);
    let mut message = echo(UNREACHABLE, 0, 1_230, quoted.get(..28).unwrap_or_default());
    if let Some(code) = message.get_mut(1) {
        *code = FRAGMENTATION_NEEDED;
    }
    ethernet(IPV4, &Ipv4::new(ROUTER, POD_A, ICMP).around(&message))
}

/// The first and a later fragment of a datagram between the pods.
pub(super) fn fragments() -> [Vec<u8>; 2] {
    let pod = Ipv4::new(POD_A, POD_B, UDP);
    cut(pod, &udp(40_000, 9_000, &PIECE), &PIECE)
}

/// The first and a later fragment of VXLAN around the plain TCP packet.
pub(super) fn vxlan_fragments() -> [Vec<u8>; 2] {
    let datagram = in_vxlan(&tcp(POD_A, POD_B));
    let (head, tail) = datagram.split_at(136);
    cut(Ipv4::new(NODE_A, NODE_B, UDP), head, tail)
}

/// VXLAN around a frame, from one node to the other.
pub(super) fn nested(frame: &[u8]) -> Vec<u8> {
    carried(NODE_A, NODE_B, &in_vxlan(frame))
}

/// The same by IPv6.
pub(super) fn nested_6(frame: &[u8]) -> Vec<u8> {
    ethernet(
        IPV6,
        &Ipv6::new(NODE_A6, NODE_B6, UDP).around(&in_vxlan(frame)),
    )
}

/// A datagram from one node to the other.
pub(super) fn between_nodes(port: u16, message: &[u8]) -> Vec<u8> {
    carried(NODE_A, NODE_B, &udp(41_641, port, message))
}

/// What a tunnel's device hands over of VXLAN around frames of one length: one buffer.
pub(super) fn in_tunnel(from: [u8; 4], to: [u8; 4], frames: &[Vec<u8>]) -> Vec<u8> {
    let messages: Vec<_> = frames.iter().map(|frame| vxlan(0x08, frame)).collect();
    let datagram = udp(51_000, VXLAN_PORT, &messages.concat());
    Ipv4::new(from, to, UDP).around(&datagram)
}

fn in_vxlan(frame: &[u8]) -> Vec<u8> {
    udp(51_000, VXLAN_PORT, &vxlan(0x08, frame))
}

fn carried(source: [u8; 4], destination: [u8; 4], datagram: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &Ipv4::new(source, destination, UDP).around(datagram))
}

fn cut(header: Ipv4<'_>, head: &[u8], tail: &[u8]) -> [Vec<u8>; 2] {
    [(MORE, head), (BEHIND, tail)].map(|(fragmentation, load)| {
        let header = Ipv4 {
            fragmentation,
            ..header
        };
        ethernet(IPV4, &header.around(load))
    })
}

fn acknowledgement(options: &[u8]) -> Vec<u8> {
    let segment = Tcp {
        source: Tcp::default().destination,
        destination: Tcp::default().source,
        flags: TCP_ACK,
        options,
        ..Tcp::default()
    };
    let packet = Ipv4::new(POD_B, POD_A, TCP).around(&segment.around(&[]));
    ethernet(IPV4, &packet)
}

/// A data segment with timestamps.
struct Segment {
    stamp: u32,
    payload: usize,
    sequence_end: u32,
}

/// One of the measured flow.
const fn segment(stamp: u32, payload: usize) -> Segment {
    Segment {
        stamp,
        payload,
        sequence_end: SEQUENCE_END,
    }
}

impl Segment {
    fn bytes(&self) -> Vec<u8> {
        let payload = vec![0x61; self.payload];
        let length = u32::try_from(self.payload).unwrap_or(0);
        let segment = Tcp {
            sequence: self.sequence_end.wrapping_sub(length),
            options: &stamped(self.stamp, 0),
            ..Tcp::default()
        };
        segment.around(&payload)
    }

    fn between(&self, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        Ipv4::new(source, destination, TCP).around(&self.bytes())
    }
}
