//! The scenarios and how a sketch of one becomes a topology.
//! Addresses, roles and order come from the deal; nothing here touches the machine.

mod build;
mod h2;
mod h2c;
mod h2v6;
mod h6;
mod h8;
mod mixed;
mod relay;
mod s1;
mod s1d;
mod s1v6;
mod s3;
mod s5;
mod s6;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::deal::Deal;
use super::topology::{Family, Mode, Node, Reach, Role, Segment, SegmentKind, Service, TUNNEL_MTU};

pub(crate) use self::build::topology;

/// A scenario of the small lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Healthy: VXLAN on the vmnet, 1450.
    H2,
    /// As H2, with pods of both address families.
    H2v6,
    /// As H2, with Services: one over two nodes, one behind a masquerading receiver.
    H2c,
    /// Healthy: pods of one node.
    H6,
    /// Fault: VXLAN over tailscale0 although all peers share a LAN.
    S1,
    /// As S1, with pods of both address families, and WireGuard over IPv6.
    S1v6,
    /// As S1, but every peer is behind the router: no fault.
    S1d,
    /// Fault: peers have the old address of a node.
    S3,
    /// Fault: tunnels through a DERP relay.
    S5,
    /// Fault: nodes of one vmnet accept each other's pods as subnet routes.
    S6,
    /// As S6, with pods of both address families, and WireGuard over IPv6.
    S6v6,
    /// Healthy: tunnels through a peer relay.
    H8,
    /// As H8, with a third node that both reach directly.
    H8c,
    /// One node with three paths at once.
    Mixed,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 14] = [
        Self::H2,
        Self::H2v6,
        Self::H2c,
        Self::H6,
        Self::S1,
        Self::S1v6,
        Self::S1d,
        Self::S3,
        Self::S5,
        Self::S6,
        Self::S6v6,
        Self::H8,
        Self::H8c,
        Self::Mixed,
    ];

    /// Its name in lower case, also the default name of a lab.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::H2v6 => "h2v6",
            Self::H2c => "h2c",
            Self::H6 => "h6",
            Self::S1 => "s1",
            Self::S1v6 => "s1v6",
            Self::S1d => "s1d",
            Self::S3 => "s3",
            Self::S5 => "s5",
            Self::S6 => "s6",
            Self::S6v6 => "s6v6",
            Self::H8 => "h8",
            Self::H8c => "h8c",
            Self::Mixed => "mixed",
        }
    }

    /// The fewest pods per node that it needs to show what it is for.
    #[must_use]
    pub fn least_pods(self) -> usize {
        match self {
            Self::H2
            | Self::H2v6
            | Self::S1
            | Self::S1v6
            | Self::S1d
            | Self::S3
            | Self::S5
            | Self::S6
            | Self::S6v6
            | Self::H8
            | Self::H8c
            | Self::Mixed => 1,
            Self::H2c => 2,
            Self::H6 => 3,
        }
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == wanted)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                format!("no scenario {text}; there are {known}")
            })
    }
}

/// A scenario before addresses are dealt.
struct Sketch {
    segments: Vec<Segment>,
    nodes: Vec<NodeSketch>,
    /// Devices between two roles: where VXLAN leaves, where WireGuard leaves.
    roads: fn(Role, Role) -> (&'static str, &'static str),
    /// How WireGuard goes between nodes that are parted.
    mode: Mode,
    /// Roles of nodes that do not reach each other by UDP, if there is a relay.
    parted: fn(Role, Role) -> bool,
    /// The address families of pods and of the networks between nodes.
    families: &'static [Family],
    /// The family of WireGuard's own packets.
    outer: Family,
    /// MTU of tailscale0.
    tunnel_mtu: u32,
    /// How pods of other nodes are reached.
    reach: Reach,
    /// Services over the finished nodes.
    services: fn(&[Node], &mut Deal) -> Vec<Service>,
}

impl Sketch {
    /// A sketch without Services, all of it direct.
    fn new(
        segments: Vec<Segment>,
        nodes: Vec<NodeSketch>,
        roads: fn(Role, Role) -> (&'static str, &'static str),
    ) -> Self {
        Self {
            segments,
            nodes,
            roads,
            mode: Mode::Direct,
            parted: |_, _| true,
            families: &[Family::Four],
            outer: Family::Four,
            tunnel_mtu: TUNNEL_MTU,
            reach: Reach::Overlay,
            services: |_, _| Vec::new(),
        }
    }

    /// The same with IPv6 beside IPv4: a /64 wherever a network leads to another node.
    fn dual_stack(mut self) -> Self {
        self.families = &Family::ALL;
        let segments = self.segments.iter_mut();
        for segment in segments.filter(|own| own.kind != SegmentKind::Isolated) {
            segment.gateway_six = Some(beside(segment.gateway));
        }
        self
    }
}

/// The address of a unique local network that reads like this one: `fd00:192:168:105::1`.
fn beside(address: Ipv4Addr) -> Ipv6Addr {
    let digits = |octet: u8| {
        let [hundreds, rest] = [u16::from(octet) / 100, u16::from(octet) % 100];
        (hundreds << 8) | ((rest / 10) << 4) | (rest % 10)
    };
    let [a, b, c, d] = address.octets().map(digits);
    Ipv6Addr::new(0xfd00, a, b, c, 0, 0, 0, d)
}

/// A node before addresses are dealt.
struct NodeSketch {
    role: Role,
    wires: Vec<Wire>,
    flannel_device: &'static str,
    flannel_local: bool,
    pod_mtu: u32,
}

/// A wire of a node sketch.
struct Wire {
    device: &'static str,
    segment: String,
    /// Fixed host address, or a dealt one.
    address: Option<Ipv4Addr>,
    /// Metric of a default route through it.
    default_metric: Option<u32>,
}

impl Wire {
    /// A wire with a dealt address.
    fn new(device: &'static str, segment: &str, default_metric: Option<u32>) -> Self {
        Self {
            device,
            segment: segment.to_owned(),
            address: None,
            default_metric,
        }
    }
}

/// The vmnet of Lima's shared network.
fn vmnet() -> Segment {
    Segment {
        name: "vmnet".into(),
        kind: SegmentKind::Switch,
        gateway: Ipv4Addr::new(192, 168, 105, 1),
        prefix: 24,
        gateway_six: None,
    }
}

/// A LAN with a dealt network.
fn lan(deal: &mut Deal) -> Segment {
    Segment {
        name: "lan".into(),
        kind: SegmentKind::Switch,
        // Above Lima's networks 104, 105 and 106, which would change the class.
        gateway: Ipv4Addr::new(192, 168, deal.number("lan", 110, 250), 1),
        prefix: 24,
        gateway_six: None,
    }
}

/// A segment of one node behind the router, with a dealt network.
fn site(number: u8, deal: &mut Deal) -> Segment {
    Segment {
        name: format!("site{number}"),
        kind: SegmentKind::Routed,
        // 10.42 and 10.43 belong to pods and services.
        gateway: Ipv4Addr::new(
            10,
            deal.number("site", 60, 250),
            deal.number("site low", 0, 250),
            1,
        ),
        prefix: 24,
        gateway_six: None,
    }
}

#[cfg(test)]
mod tests;
