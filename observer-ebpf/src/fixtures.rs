//! Named frames with what must be seen in them, written by hand: for tests and benches alone. One
//! list serves the parser's tests, the host observer and the kernel differential.
//!
//! Never: an expectation computed by the parser, or code that the agent or the programs need.

pub mod layers;
pub mod nesting;

mod aggregates;
mod cover;
mod dns;
mod ethernet;
mod expected;
mod extensions;
mod fragments;
mod icmp;
mod icmp_errors;
mod icmpv6_errors;
mod inner;
mod ipv4;
mod ipv6;
mod peer_relay;
mod stun;
mod tcp;
mod tcp_options;
mod udp;
mod vlan;
mod vxlan;
mod wireguard;

use std::net::Ipv6Addr;
use std::vec::Vec;

pub use cover::{Header, Outcome, cover_table, is_impossible};
pub use expected::{Around, Expected, Value, Wire};

use crate::abi::point::{Hook, Point, Site};
use crate::parse::{Expand, Framing};

/// One frame: what the kernel would hand over, where, and what must come of it.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// A claim about the frame.
    pub name: &'static str,
    /// Where such frames are seen.
    pub place: Place,
    /// The frame.
    pub bytes: Vec<u8>,
    /// Payload per segment of an aggregate, 0 = none.
    pub gso_size: u32,
    /// Socket buffer mark.
    pub mark: u32,
    /// Headers in order; the last one is where a rejection happens.
    pub headers: &'static [Header],
    /// What must come of it.
    pub expected: Expected,
}

/// A set of sites that read a frame in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Ports, bridge and overlay: Ethernet, VXLAN is not opened.
    Pod,
    /// Underlays: Ethernet, VXLAN is opened.
    Underlay,
    /// Tunnels: no link layer, VXLAN is opened.
    Tunnel,
    /// Every device with Ethernet: whether VXLAN is opened makes no difference.
    Ethernet,
}

impl Place {
    /// What frames begin with there.
    #[must_use]
    pub const fn framing(self) -> Framing {
        match self {
            Self::Pod | Self::Underlay | Self::Ethernet => Framing::Ethernet,
            Self::Tunnel => Framing::Ip,
        }
    }

    /// The ways in which the parser is asked there.
    #[must_use]
    pub const fn expansions(self) -> &'static [Expand] {
        match self {
            Self::Pod => &[Expand::No],
            Self::Underlay | Self::Tunnel => &[Expand::Vxlan],
            Self::Ethernet => &[Expand::No, Expand::Vxlan],
        }
    }

    /// Its sites: both hooks of each point.
    #[must_use]
    pub fn sites(self) -> Vec<Site> {
        let points: &[Point] = match self {
            Self::Pod => &[Point::Port, Point::Bridge, Point::Overlay],
            Self::Underlay => &[Point::Underlay0, Point::Underlay1, Point::Underlay2],
            Self::Tunnel => &[Point::Tunnel, Point::FlannelWg],
            Self::Ethernet => &[
                Point::Port,
                Point::Bridge,
                Point::Overlay,
                Point::Underlay0,
                Point::Underlay1,
                Point::Underlay2,
            ],
        };
        points
            .iter()
            .flat_map(|&point| Hook::ALL.map(|hook| Site { point, hook }))
            .collect()
    }
}

/// A pod of the first node.
pub const POD_A: [u8; 4] = [10, 42, 1, 2];
/// A pod of the second node, the higher end.
pub const POD_B: [u8; 4] = [10, 42, 2, 3];
/// The first node on its LAN.
pub const NODE_A: [u8; 4] = [192, 168, 105, 11];
/// The second node on the same LAN.
pub const NODE_B: [u8; 4] = [192, 168, 105, 12];
/// The first node in the tailnet.
pub const TAIL_A: [u8; 4] = [100, 64, 0, 1];
/// The second node in the tailnet.
pub const TAIL_B: [u8; 4] = [100, 64, 0, 2];
/// `POD_A` in a dual-stack cluster: `fd42::1:2`.
pub const POD_A6: Ipv6Addr = Ipv6Addr::new(0xfd42, 0, 0, 0, 0, 0, 1, 2);
/// `POD_B` in a dual-stack cluster: `fd42::2:3`.
pub const POD_B6: Ipv6Addr = Ipv6Addr::new(0xfd42, 0, 0, 0, 0, 0, 2, 3);
/// tailscaled's socket mark.
pub const BYPASS_MARK: u32 = 0x8_0000;

impl Fixture {
    fn new(
        name: &'static str,
        place: Place,
        headers: &'static [Header],
        bytes: Vec<u8>,
        expected: impl Into<Expected>,
    ) -> Self {
        Self {
            name,
            place,
            bytes,
            gso_size: 0,
            mark: 0,
            headers,
            expected: expected.into(),
        }
    }

    fn merged(self, gso_size: u32) -> Self {
        Self { gso_size, ..self }
    }

    fn marked(self, mark: u32) -> Self {
        Self { mark, ..self }
    }

    /// Length of the frame, bytes.
    #[must_use]
    pub fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }
}

/// All fixtures.
#[must_use]
pub fn all() -> Vec<Fixture> {
    [
        ethernet::list(),
        vlan::list(),
        ipv4::list(),
        ipv6::list(),
        extensions::list(),
        fragments::list(),
        tcp::list(),
        tcp_options::list(),
        udp::list(),
        dns::list(),
        icmp::list(),
        icmp_errors::list(),
        icmpv6_errors::list(),
        wireguard::list(),
        peer_relay::list(),
        stun::list(),
        vxlan::list(),
        inner::list(),
        nesting::list(),
        aggregates::list(),
    ]
    .concat()
}

/// The fixture with this name.
#[must_use]
pub fn named(name: &str) -> Option<Fixture> {
    all().into_iter().find(|fixture| fixture.name == name)
}
