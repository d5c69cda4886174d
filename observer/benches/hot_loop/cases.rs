//! What is measured: a packet of each kind at a site, and where it has to be counted.

use std::net::Ipv4Addr;

use observer_ebpf::abi::PATH_HOST;
use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{disco, geneve, stun, wireguard};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_A6, POD_B, POD_B6, TAIL_A, TAIL_B};
use observer_ebpf::parse::Framing;

use super::frames;
use super::stage::{Buffer, PATH};

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
    /// Payload per segment of an aggregate, 0 = none.
    gso_size: u32,
    /// Where it is counted.
    pub(super) path: u16,
    /// How many packets it is on the wire.
    pub(super) segments: u64,
    /// Whether its outer flow counts it as one that hides others.
    pub(super) is_opaque: bool,
    /// Whether a bar stands on it.
    pub(super) has_bar: bool,
}

/// Names of the plain TCP packet and of the same nested in VXLAN.
pub(super) const PLAIN: &str = "tcp_plain";
/// See [`PLAIN`].
pub(super) const NESTED: &str = "tcp_vxlan";

const BRIDGE_IN: Site = Site {
    point: Point::Bridge,
    hook: Hook::Ingress,
};
const UNDERLAY_IN: Site = Site {
    point: Point::Underlay0,
    hook: Hook::Ingress,
};
const TUNNEL_IN: Site = Site {
    point: Point::Tunnel,
    hook: Hook::Ingress,
};

impl Case {
    /// One packet between the pods.
    const fn new(name: &'static str, site: Site, frame: Vec<u8>) -> Self {
        Self {
            name,
            site,
            frame,
            gso_size: 0,
            path: PATH,
            segments: 1,
            is_opaque: false,
            has_bar: false,
        }
    }

    /// The same with a bar.
    fn with_bar(self) -> Self {
        Self {
            has_bar: true,
            ..self
        }
    }

    /// An aggregate of two packets.
    fn of_two(self, gso_size: u32) -> Self {
        Self {
            gso_size,
            segments: 2,
            ..self
        }
    }

    /// What is the nodes' own.
    fn of_nodes(self, is_opaque: bool) -> Self {
        Self {
            path: PATH_HOST,
            is_opaque,
            ..self
        }
    }

    /// As the kernel would hand it over.
    pub(super) fn buffer(&self) -> Buffer<'_> {
        Buffer {
            bytes: &self.frame,
            gso_size: self.gso_size,
        }
    }

    /// True if other tools' programs can read it: they expect Ethernet.
    pub(super) fn is_comparable(&self) -> bool {
        Framing::at(self.site.point) == Framing::Ethernet
    }
}

/// All cases, the plain packet first. A later one may need what an earlier one has left: its entry, its
/// first fragment.
pub(super) fn all() -> Vec<Case> {
    let mut all = at_the_bridge();
    all.extend(at_an_underlay());
    all.extend(of_nodes());
    all.extend(in_the_tunnel());
    all
}

fn at_the_bridge() -> Vec<Case> {
    let case = |name, frame| Case::new(name, BRIDGE_IN, frame);
    let plain = frames::tcp(POD_A, POD_B);
    let [query, answer] = frames::dns();
    let [request, reply] = frames::ping();
    let [first, later] = frames::fragments();
    vec![
        case(PLAIN, plain.clone()).with_bar(),
        case("tcp_ipv6", frames::tcp_6()),
        case("tcp_syn", frames::syn()),
        case("tcp_sack", frames::with_blocks()),
        case("tcp_ipv4_options", frames::tcp_behind_options()),
        case("tcp_ipv6_extensions", frames::tcp_6_behind_extensions()),
        case("tcp_vlan", frames::tagged(&plain)),
        case("tcp_merged", frames::long_tcp(2 * 1_448)).of_two(1_448),
        case("udp_plain", frames::datagram()),
        case("dns_query", query),
        case("dns_answer", answer),
        case("echo_request", request),
        case("echo_reply", reply),
        case("icmp_error", frames::too_big()),
        case("fragment_first", first),
        case("fragment_later", later),
    ]
}

fn at_an_underlay() -> Vec<Case> {
    let case = |name, frame| Case::new(name, UNDERLAY_IN, frame);
    let plain = frames::tcp(POD_A, POD_B);
    let [first, later] = frames::vxlan_fragments();
    let merged = frames::nested(&frames::long_tcp(2 * 1_398));
    vec![
        case(NESTED, frames::nested(&plain)).with_bar(),
        case("tcp_vxlan_ipv6", frames::nested(&frames::tcp_6())),
        case("tcp_vxlan_outer_ipv6", frames::nested_6(&plain)),
        case("tcp_vxlan_both_ipv6", frames::nested_6(&frames::tcp_6())),
        case("tcp_vxlan_vlan", frames::tagged(&frames::nested(&plain))),
        case("tcp_vxlan_vxlan", frames::nested(&frames::nested(&plain))),
        case("tcp_vxlan_merged", merged).of_two(1_398),
        case("udp_vxlan", frames::nested(&frames::datagram())),
        case("icmp_error_vxlan", frames::nested(&frames::too_big())),
        case("vxlan_fragment_first", first),
        case("vxlan_fragment_later", later).of_nodes(true),
    ]
}

fn of_nodes() -> Vec<Case> {
    /// Protocol number of WireGuard in tailscale's Geneve.
    const WIREGUARD: u16 = 0x7a12;
    let case = |name, frame| Case::new(name, UNDERLAY_IN, frame);
    let message = wireguard(4, [1, 2, 3, 4], 128);
    let relayed = geneve([0, 0], WIREGUARD, [1, 2, 3, 0], &message);
    let opaque = |name, port, message: &[u8]| {
        case(name, frames::between_nodes(port, message)).of_nodes(true)
    };
    vec![
        case("host_tcp", frames::tcp(NODE_A, NODE_B)).of_nodes(false),
        opaque("wireguard", 41_641, &message),
        opaque("peer_relay", 40_000, &relayed),
        opaque("disco", 41_641, &disco(62)),
        opaque("stun", 3_478, &stun(1, &[0x61; 20])),
    ]
}

fn in_the_tunnel() -> Vec<Case> {
    let case = |name, frames: &[Vec<u8>]| {
        Case::new(name, TUNNEL_IN, frames::in_tunnel(TAIL_A, TAIL_B, frames))
    };
    let plain = frames::tcp(POD_A, POD_B);
    let long = frames::long_tcp(1_178);
    vec![
        case("tunnel_vxlan", &[plain]),
        case("tunnel_vxlan_merged", &[long.clone(), long]).of_two(1_252),
    ]
}

const fn from([a, b, c, d]: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}
