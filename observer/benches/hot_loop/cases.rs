//! What is measured: a packet at a site, and the path it has to be counted on.

use std::net::Ipv4Addr;

use observer_ebpf::abi::PATH_HOST;
use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{
    self, IPV4, IPV6, Ipv4, Ipv6, TCP, Tcp, UDP, VLAN, ethernet, stamped, tag, timestamps, udp,
    vxlan,
};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_A6, POD_B, POD_B6};
use observer_ebpf::parse::{TCP_ACK, TCP_SYN};

use super::stage::PATH;

/// The two pods.
pub(super) const PODS: [Ipv4Addr; 2] = [from(POD_A), from(POD_B)];

/// The same two by IPv6.
pub(super) const PODS_6: [Address; 2] =
    [Address::v6(POD_A6.octets()), Address::v6(POD_B6.octets())];

/// One kind of packet at one site.
pub(super) struct Case {
    /// Name of its rows.
    pub(super) name: &'static str,
    /// Where it passes.
    pub(super) site: Site,
    /// The frame.
    pub(super) frame: Vec<u8>,
    /// Where it is counted.
    pub(super) path: u16,
    /// Whether a bar stands on it.
    pub(super) has_bar: bool,
}

/// Names of the plain TCP packet and of the same nested in VXLAN.
pub(super) const PLAIN: &str = "tcp_plain";
/// See [`PLAIN`].
pub(super) const NESTED: &str = "tcp_vxlan";

/// Payload of the frames, bytes: 166 bytes of plain TCP, as in published figures.
const PAYLOAD: [u8; 100] = [0x61; 100];
/// The same as far as a fragment can hold it: a multiple of eight bytes.
const PIECE: [u8; 96] = [0x61; 96];
/// More fragments follow; this one begins behind so many units of eight bytes.
const MORE: u16 = 0x2000;
const BEHIND: u16 = 13;

const BRIDGE_IN: Site = Site {
    point: Point::Bridge,
    hook: Hook::Ingress,
};
const UNDERLAY_IN: Site = Site {
    point: Point::Underlay0,
    hook: Hook::Ingress,
};

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let mut all = at_the_bridge();
    all.extend(at_an_underlay());
    all
}

fn at_the_bridge() -> Vec<Case> {
    let plain = segment(POD_A, POD_B, 1, 1_000);
    let piece = |fragmentation, load: &[u8]| {
        let cut = Ipv4 {
            fragmentation,
            ..Ipv4::new(POD_A, POD_B, UDP)
        };
        ethernet(IPV4, &cut.around(load))
    };
    let tagged = tag(IPV4, plain.get(14..).unwrap_or_default());
    let frames = [
        (PLAIN, plain, true),
        ("tcp_ipv6", segment_6(), false),
        ("tcp_syn", syn(), false),
        ("tcp_vlan", ethernet(VLAN, &tagged), false),
        ("udp_plain", datagram(), false),
        (
            "fragment_first",
            piece(MORE, &udp(40_000, 9_000, &PIECE)),
            false,
        ),
        ("fragment_later", piece(BEHIND, &PIECE), false),
    ];
    frames
        .map(|(name, frame, has_bar)| Case {
            name,
            site: BRIDGE_IN,
            frame,
            path: PATH,
            has_bar,
        })
        .into()
}

fn at_an_underlay() -> Vec<Case> {
    let plain = segment(POD_A, POD_B, 1, 1_000);
    let wireguard = layers::wireguard(4, [1, 2, 3, 4], 128);
    let tunnel = Ipv4::new(NODE_A, NODE_B, UDP).around(&udp(41_641, 41_641, &wireguard));
    let host = segment(NODE_A, NODE_B, 1, 1_000);
    let frames = [
        (NESTED, nested(&plain), PATH, true),
        ("tcp_vxlan_ipv6", nested(&segment_6()), PATH, false),
        ("udp_vxlan", nested(&datagram()), PATH, false),
        ("host_tcp", host, PATH_HOST, false),
        ("wireguard", ethernet(IPV4, &tunnel), PATH_HOST, false),
    ];
    frames
        .map(|(name, frame, path, has_bar)| Case {
            name,
            site: UNDERLAY_IN,
            frame,
            path,
            has_bar,
        })
        .into()
}

/// The plain UDP datagram.
fn datagram() -> Vec<u8> {
    let packet = Ipv4::new(POD_A, POD_B, UDP).around(&udp(40_000, 9_000, &PAYLOAD));
    ethernet(IPV4, &packet)
}

/// The plain TCP packet by IPv6.
fn segment_6() -> Vec<u8> {
    let segment = Tcp {
        options: &stamped(1, 0),
        ..Tcp::default()
    };
    let packet = Ipv6::new(POD_A6, POD_B6, TCP).around(&segment.around(&PAYLOAD));
    ethernet(IPV6, &packet)
}

/// The first segment of a connection, with all options that Linux gives it.
fn syn() -> Vec<u8> {
    let mut options = Vec::from([2, 4, 0x05, 0x78, 4, 2]);
    options.extend(timestamps(1, 0));
    options.extend([1, 3, 3, 7]);
    let segment = Tcp {
        source: 40_001,
        flags: TCP_SYN,
        options: &options,
        ..Tcp::default()
    };
    ethernet(
        IPV4,
        &Ipv4::new(POD_A, POD_B, TCP).around(&segment.around(&[])),
    )
}

/// The plain TCP packet that begins the `number`th millisecond of its flow.
pub(super) fn with_new_stamp(number: u32) -> Vec<u8> {
    segment(POD_A, POD_B, 1 + number, 1_000 + 100 * number)
}

/// The pure acknowledgement that answers it.
pub(super) fn reply(number: u32) -> Vec<u8> {
    let segment = Tcp {
        source: Tcp::default().destination,
        destination: Tcp::default().source,
        flags: TCP_ACK,
        options: &stamped(7, 1 + number),
        ..Tcp::default()
    };
    ethernet(
        IPV4,
        &Ipv4::new(POD_B, POD_A, TCP).around(&segment.around(&[])),
    )
}

/// The plain TCP packet with a payload of another length.
pub(super) fn long_segment(payload: usize) -> Vec<u8> {
    let segment = Tcp {
        options: &stamped(1, 0),
        ..Tcp::default()
    };
    let load = segment.around(&vec![0x61; payload]);
    ethernet(IPV4, &Ipv4::new(POD_A, POD_B, TCP).around(&load))
}

fn segment(source: [u8; 4], destination: [u8; 4], stamp: u32, sequence: u32) -> Vec<u8> {
    let segment = Tcp {
        sequence,
        options: &stamped(stamp, 0),
        ..Tcp::default()
    };
    let packet = Ipv4::new(source, destination, TCP).around(&segment.around(&PAYLOAD));
    ethernet(IPV4, &packet)
}

fn nested(frame: &[u8]) -> Vec<u8> {
    let datagram = udp(51_000, 8_472, &vxlan(0x08, frame));
    ethernet(IPV4, &Ipv4::new(NODE_A, NODE_B, UDP).around(&datagram))
}

const fn from([a, b, c, d]: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}
