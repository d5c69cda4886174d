//! What is measured: a packet at a site, and the path it has to be counted on.

use std::net::Ipv4Addr;

use observer_ebpf::abi::PATH_HOST;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{IPV4, Ipv4, TCP, Tcp, UDP, ethernet, stamped, udp, vxlan};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_B};
use observer_ebpf::parse::TCP_ACK;

use super::stage::PATH;

/// The two pods.
pub(super) const PODS: [Ipv4Addr; 2] = [from(POD_A), from(POD_B)];

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
    /// Whether the bar stands on it.
    pub(super) has_bar: bool,
}

/// Payload of the frames, bytes: 166 bytes of plain TCP, as in published figures.
const PAYLOAD: [u8; 100] = [0x61; 100];

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
    let pod = |name, frame, has_bar| Case {
        name,
        site: BRIDGE_IN,
        frame,
        path: PATH,
        has_bar,
    };
    let underlay = |name, frame, path, has_bar| Case {
        name,
        site: UNDERLAY_IN,
        frame,
        path,
        has_bar,
    };
    let plain = segment(POD_A, POD_B, 1, 1_000);
    let datagram = Ipv4::new(POD_A, POD_B, UDP).around(&udp(40_000, 9_000, &PAYLOAD));
    vec![
        pod("tcp_plain", plain.clone(), true),
        underlay("tcp_vxlan", nested(&plain), PATH, true),
        pod("udp_plain", ethernet(IPV4, &datagram), false),
        underlay(
            "host_tcp",
            segment(NODE_A, NODE_B, 1, 1_000),
            PATH_HOST,
            false,
        ),
    ]
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
