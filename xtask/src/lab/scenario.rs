//! The scenarios and how a sketch of one becomes a topology.
//! Addresses, roles and order come from the deal; nothing here touches the machine.

mod h2;
mod mixed;
mod s1;
mod s1d;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Options;
use super::deal::Deal;
use super::topology::{Device, Node, Pod, Road, Role, Segment, SegmentKind, Tailnet, Topology};

/// A scenario of the small lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Healthy: VXLAN on the vmnet, 1450.
    H2,
    /// Fault: VXLAN over tailscale0 although all peers share a LAN.
    S1,
    /// As S1, but every peer is behind the router: no fault.
    S1d,
    /// One node with three paths at once.
    Mixed,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 4] = [Self::H2, Self::S1, Self::S1d, Self::Mixed];

    /// Its name in lower case, also the default name of a lab.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::S1 => "s1",
            Self::S1d => "s1d",
            Self::Mixed => "mixed",
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

/// WireGuard port of every node, tailscaled's default.
const PORT: u16 = 41641;

/// The topology of an option set; pure, equal for equal options.
#[must_use]
pub(crate) fn topology(options: &Options) -> Topology {
    let mut deal = Deal::new(options.seed);
    let mut sketch = match options.scenario {
        Scenario::H2 => h2::sketch(),
        Scenario::S1 => s1::sketch(&mut deal),
        Scenario::S1d => s1d::sketch(&mut deal),
        Scenario::Mixed => mixed::sketch(&mut deal),
    };
    deal.shuffle(&mut sketch.nodes);
    let prefix = format!("np-{}", options.name);
    let named = (1_u8..).zip(&sketch.nodes);
    let mut nodes: Vec<Node> = named
        .map(|(number, node)| build_node(&format!("n{number}"), node, &sketch, options, &mut deal))
        .collect();
    let roads: Vec<Vec<Road>> = nodes
        .iter()
        .map(|node| build_roads(node, &nodes, sketch.roads))
        .collect();
    for (node, roads) in nodes.iter_mut().zip(roads) {
        node.roads = roads;
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    deal.shuffle(&mut order);
    Topology {
        name: options.name.clone(),
        scenario: options.scenario,
        seed: options.seed,
        router: format!("{prefix}-wan"),
        segments: sketch.segments,
        nodes,
        order,
    }
}

/// A node with addresses; roads follow when all nodes are known.
fn build_node(
    name: &str,
    node: &NodeSketch,
    sketch: &Sketch,
    options: &Options,
    deal: &mut Deal,
) -> Node {
    let netns = format!("np-{}-{name}", options.name);
    let wires = node.wires.iter();
    let devices: Vec<Device> = wires
        .filter_map(|wire| {
            let segment = sketch
                .segments
                .iter()
                .find(|known| known.name == wire.segment)?;
            Some(build_device(name, wire, segment, options, deal))
        })
        .collect();
    let tailnet = Tailnet {
        address: deal.tailnet_address(),
        port: PORT,
        key: deal.key(),
    };
    let mut built = Node {
        name: name.to_owned(),
        role: node.role,
        pod_network: Ipv4Addr::new(10, 42, deal.number("pod network", 1, 254), 0),
        vtep: tailnet.address,
        vtep_mac: deal.mac(),
        flannel_device: node.flannel_device.to_owned(),
        flannel_local: node.flannel_local,
        pod_mtu: node.pod_mtu,
        devices,
        tailnet,
        pods: Vec::new(),
        roads: Vec::new(),
        netns,
    };
    built.vtep = built.address_of(node.flannel_device).unwrap_or(built.vtep);
    let letters = ('a'..='z').take(options.pods_per_node);
    built.pods = letters
        .map(|letter| Pod {
            name: format!("{name}-{letter}"),
            netns: format!("{}-{letter}", built.netns),
            address: built.pod_address(deal.number("pod host", 2, 250)),
            mac: deal.mac(),
            host_veth: deal.veth(),
        })
        .collect();
    built
}

/// A device with its address inside the segment.
fn build_device(
    node: &str,
    wire: &Wire,
    segment: &Segment,
    options: &Options,
    deal: &mut Deal,
) -> Device {
    let dealt = u32::from(deal.number("host", 10, 250));
    let network = segment.gateway.to_bits() & !0xff;
    let wanted = |asked: &super::WireId| asked.node == node && asked.device == wire.device;
    Device {
        name: wire.device.to_owned(),
        address: wire
            .address
            .unwrap_or_else(|| Ipv4Addr::from_bits(network | dealt)),
        prefix: segment.prefix,
        mac: deal.mac(),
        segment: segment.name.clone(),
        router_port: format!("{node}-{}", wire.device),
        default_route: wire.default_metric.map(|metric| (segment.gateway, metric)),
        delay_box: options.delay_boxes.iter().any(wanted),
    }
}

/// The roads of one node to all others.
fn build_roads(
    node: &Node,
    nodes: &[Node],
    devices: fn(Role, Role) -> (&'static str, &'static str),
) -> Vec<Road> {
    let others = nodes.iter().filter(|other| other.name != node.name);
    others
        .filter_map(|other| {
            let (vtep_device, endpoint_device) = devices(node.role, other.role);
            let endpoint = other.address_of(endpoint_device)?;
            let segment_of = |node: &Node| {
                let device = node
                    .devices
                    .iter()
                    .find(|own| own.name == endpoint_device)?;
                Some(device.segment.clone())
            };
            Some(Road {
                to: other.name.clone(),
                vtep: other.address_of(vtep_device)?,
                vtep_device: vtep_device.to_owned(),
                endpoint: SocketAddrV4::new(endpoint, other.tailnet.port),
                endpoint_device: endpoint_device.to_owned(),
                endpoint_on_link: segment_of(node) == segment_of(other),
            })
        })
        .collect()
}

/// The vmnet of Lima's shared network.
fn vmnet() -> Segment {
    Segment {
        name: "vmnet".into(),
        kind: SegmentKind::Switch,
        gateway: Ipv4Addr::new(192, 168, 105, 1),
        prefix: 24,
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
    }
}

#[cfg(test)]
mod tests;
