//! Two pods that talk, on two nodes or on one, and the sites that their packets pass.

use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::row::Row;
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet, stamped, udp};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_B};
use observer_ebpf::parse::{TCP_ACK, TCP_SYN};

use crate::pair::Pair;

pub(crate) const LOW_TO_HIGH: FlowDirection = FlowDirection::LowToHigh;
pub(crate) const HIGH_TO_LOW: FlowDirection = FlowDirection::HighToLow;

pub(crate) const fn site(point: Point, hook: Hook) -> Site {
    Site { point, hook }
}

/// The way of a packet from a pod of this node to another node.
pub(crate) const OUT: [Site; 4] = [
    site(Point::Port, Hook::Ingress),
    site(Point::Bridge, Hook::Ingress),
    site(Point::Overlay, Hook::Egress),
    site(Point::Underlay0, Hook::Egress),
];

/// The way back.
pub(crate) const BACK: [Site; 4] = [
    site(Point::Underlay0, Hook::Ingress),
    site(Point::Overlay, Hook::Ingress),
    site(Point::Bridge, Hook::Egress),
    site(Point::Port, Hook::Egress),
];

/// Both ends of the pair, the lower first.
pub(crate) const PODS: [Address; 2] = [Address::v4(POD_A), Address::v4(POD_B)];

/// A segment between the two pods.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    /// From the pod of this node, the lower end.
    pub(crate) is_ours: bool,
    pub(crate) port: u16,
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) payload: usize,
    /// `TSval` and `TSecr`.
    pub(crate) stamps: (u32, u32),
}

/// A segment of the local pod.
pub(crate) const OURS: Segment = Segment {
    is_ours: true,
    port: 40_000,
    flags: TCP_ACK,
    sequence: 1_000,
    payload: 0,
    stamps: (0, 0),
};

/// A segment of the remote pod.
pub(crate) const THEIRS: Segment = Segment {
    is_ours: false,
    sequence: 5_000,
    ..OURS
};

impl Segment {
    pub(crate) const fn syn(self) -> Self {
        Self {
            flags: self.flags | TCP_SYN,
            ..self
        }
    }

    pub(crate) const fn data(self, payload: usize) -> Self {
        Self { payload, ..self }
    }

    pub(crate) const fn at(self, sequence: u32) -> Self {
        Self { sequence, ..self }
    }

    pub(crate) const fn stamped(self, value: u32, echo: u32) -> Self {
        Self {
            stamps: (value, echo),
            ..self
        }
    }

    /// The pod's Ethernet frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        self.between(POD_A, POD_B)
    }

    /// The frame with other addresses for the local pod and the remote one.
    pub(crate) fn between(&self, ours: [u8; 4], theirs: [u8; 4]) -> Vec<u8> {
        let (source, destination) = if self.is_ours {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        let ports = if self.is_ours {
            (self.port, 8_080)
        } else {
            (8_080, self.port)
        };
        let options = stamped(self.stamps.0, self.stamps.1);
        let tcp = Tcp {
            source: ports.0,
            destination: ports.1,
            sequence: self.sequence,
            ack: 1,
            flags: self.flags,
            options: &options,
            words: None,
        };
        let packet = layers::Ipv4::new(source, destination, TCP);
        ethernet(IPV4, &packet.around(&tcp.around(&vec![0x61; self.payload])))
    }
}

/// A pod's frame inside VXLAN between two nodes.
pub(crate) fn carry(frame: &[u8], source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let datagram = udp(51_000, 8_472, &layers::vxlan(0x08, frame));
    ethernet(
        IPV4,
        &layers::Ipv4::new(source, destination, UDP).around(&datagram),
    )
}

impl Pair<'_> {
    /// Shows a pod's frame at one site; at an underlay it comes inside VXLAN.
    pub(crate) fn pass(&mut self, site: Site, frame: &[u8]) {
        let seen = if !site.point.is_underlay() {
            self.see(site, frame, 0, 0)
        } else if site.hook == Hook::Egress {
            self.see(site, &carry(frame, NODE_A, NODE_B), 0, 0)
        } else {
            self.see(site, &carry(frame, NODE_B, NODE_A), 0, 0)
        };
        assert!(seen, "the frame has a length that can be run");
    }

    /// Shows a segment on its whole way through this node.
    pub(crate) fn travel(&mut self, segment: Segment) {
        for site in if segment.is_ours { OUT } else { BACK } {
            self.pass(site, &segment.frame());
        }
    }
}

/// Number of the row of a path, point and direction.
pub(crate) fn row(path: u16, point: Point, direction: FlowDirection) -> u32 {
    Row::new(path, point, direction).index()
}
