//! A lab as data: segments, nodes, devices, pods and the roads between nodes.
//! Pure: nothing here looks at or changes the machine.

mod expected;
mod family;
mod relay;
mod service;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{BridgeNetfilter, Scenario};

pub use self::expected::{ExpectedPath, Outcome};
pub use self::family::{Family, NodeSix};
pub use self::relay::{Mode, Relay, RelaySession};
pub use self::service::{Backend, Protocol, Service, Source};

/// A whole lab, before or after it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Name of the lab; namespaces are called `np-NAME-...`.
    pub name: String,
    /// Which scenario it shows.
    pub scenario: Scenario,
    /// The seed that dealt addresses, roles and order.
    pub seed: u64,
    /// Namespace of the switches and the router between the nodes.
    pub router: String,
    /// Layer 2 segments of the router.
    pub segments: Vec<Segment>,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
    /// Services, translated on every node.
    pub services: Vec<Service>,
    /// The relay between the nodes, which then do not reach each other by UDP.
    pub relay: Option<Relay>,
    /// Whether the nodes' bridges hand their frames to netfilter.
    pub bridge_netfilter: BridgeNetfilter,
    /// Order in which nodes are built, as positions in `nodes`.
    pub order: Vec<usize>,
}

/// How the router end of a node's wire is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// A switch that several nodes share; it carries the router's address.
    Switch,
    /// One wire of one node; the router end carries the address.
    Routed,
    /// A wire that leads nowhere: Lima's user-mode network as other VMs see it.
    Isolated,
}

/// A layer 2 segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Name, for a switch also the name of the bridge in the router namespace.
    pub name: String,
    /// How it is connected.
    pub kind: SegmentKind,
    /// The router's address in it.
    pub gateway: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// The router's IPv6 address in it, of a /64, in a dual-stack lab.
    pub gateway_six: Option<Ipv6Addr>,
}

/// The part a node plays in its scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// One of several equal nodes.
    Member,
    /// The node whose pods call Services of the others.
    Client,
    /// The node whose peers have its old address.
    Moved,
    /// The node with three paths at once.
    Mixed,
    /// Its neighbour on the vmnet.
    Near,
    /// Its peer behind the router.
    Far,
}

/// One node: a network namespace with devices, a tunnel, flannel and pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// `n1`, `n2`, `n3`.
    pub name: String,
    /// Namespace name.
    pub netns: String,
    /// The part it plays.
    pub role: Role,
    /// The underlay address that its peers still have, although a silent host has it by now.
    pub former: Option<Ipv4Addr>,
    /// Network address of its /24 pod CIDR, which is also the address of flannel.1.
    pub pod_network: Ipv4Addr,
    /// The address flannel would announce as public-ip: its own end of the VXLAN.
    pub vtep: Ipv4Addr,
    /// MAC address of flannel.1.
    pub vtep_mac: String,
    /// MAC address of cni0.
    pub bridge_mac: String,
    /// The device flannel is bound to (`--flannel-iface`).
    pub flannel_device: String,
    /// Whether flannel.1 is created with `local`; without it every VTEP address answers.
    pub flannel_local: bool,
    /// MTU of flannel.1, cni0 and the pods.
    pub pod_mtu: u32,
    /// MTU of tailscale0.
    pub tunnel_mtu: u32,
    /// Its pod network of IPv6 and what carries it, in a dual-stack lab.
    pub six: Option<NodeSix>,
    /// How its pods are reached.
    pub reach: Reach,
    /// Underlay devices.
    pub devices: Vec<Device>,
    /// Its end of the tunnel.
    pub tailnet: Tailnet,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// How it reaches each other node.
    pub roads: Vec<Road>,
}

/// How the pods of a node are reached by other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// By flannel's VXLAN.
    Overlay,
    /// By the tailnet, as a subnet route that tailscaled accepts before flannel's route is looked at.
    SubnetRoute,
}

/// An underlay device of a node: one veth into the router namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// `eth0` or `lima0`.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// Its IPv6 address, of a /64, in a dual-stack lab.
    pub address_six: Option<Ipv6Addr>,
    /// Its MAC address.
    pub mac: String,
    /// The segment it is plugged into.
    pub segment: String,
    /// Name of the other end in the router namespace.
    pub router_port: String,
    /// Default route through it, if any: gateway and metric.
    pub default_route: Option<(Ipv4Addr, u32)>,
    /// The same of IPv6.
    pub default_route_six: Option<(Ipv6Addr, u32)>,
    /// Whether a delay box sits in this wire.
    pub delay_box: bool,
}

/// A node's end of the WireGuard tunnel called tailscale0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tailnet {
    /// Its 100.64/10 address.
    pub address: Ipv4Addr,
    /// Its address in `fd7a:115c:a1e0::/48`, in a dual-stack lab.
    pub address_six: Option<Ipv6Addr>,
    /// UDP port of its WireGuard socket.
    pub port: u16,
    /// Private key; never shown.
    #[serde(skip)]
    pub key: [u8; 32],
}

/// A pod: a network namespace behind cni0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `n1-a`, `n1-b`, ...
    pub name: String,
    /// Namespace name.
    pub netns: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its IPv6 address, in a dual-stack lab.
    #[serde(default)]
    pub address_six: Option<Ipv6Addr>,
    /// MAC address of its eth0.
    pub mac: String,
    /// Name of the port of cni0 that leads to it.
    pub host_veth: String,
}

/// How a node reaches another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Road {
    /// Name of the other node.
    pub to: String,
    /// VTEP address of the other node as this node's forwarding database has it.
    pub vtep: Ipv4Addr,
    /// The same of the IPv6 pods' VXLAN, in a dual-stack lab.
    pub vtep_six: Option<Ipv6Addr>,
    /// The device the VXLAN packets leave by.
    pub vtep_device: String,
    /// WireGuard endpoint of the other node.
    pub endpoint: SocketAddr,
    /// The device WireGuard packets leave by.
    pub endpoint_device: String,
    /// How WireGuard goes there: where not direct, only as long as the endpoint does not answer.
    pub mode: Mode,
    /// Whether the endpoint is a neighbour on that device.
    pub endpoint_on_link: bool,
}

/// Name of the tunnel device.
pub const TUNNEL: &str = "tailscale0";
/// Name of flannel's VXLAN device.
pub const VXLAN: &str = "flannel.1";
/// Name of flannel's VXLAN device of IPv6 pods.
pub const VXLAN_SIX: &str = "flannel-v6.1";
/// Name of the pod bridge.
pub const BRIDGE: &str = "cni0";
/// MTU of tailscale0.
pub const TUNNEL_MTU: u32 = 1280;
/// What VXLAN over IPv4 costs.
pub const VXLAN_OVERHEAD: u32 = 50;
/// What VXLAN over IPv6 costs.
pub const VXLAN_SIX_OVERHEAD: u32 = 70;
/// MTU of every underlay wire.
pub const WIRE_MTU: u32 = 1500;

impl Role {
    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Client => "client",
            Self::Moved => "moved",
            Self::Mixed => "mixed",
            Self::Near => "near",
            Self::Far => "far",
        }
    }
}

impl Topology {
    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The pod of this name.
    #[must_use]
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.nodes
            .iter()
            .flat_map(|node| &node.pods)
            .find(|pod| pod.name == name)
    }

    /// The Service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The address families that its pods have.
    #[must_use]
    pub fn families(&self) -> &'static [Family] {
        let is_dual = self.nodes.iter().any(|node| node.six.is_some());
        if is_dual {
            &Family::ALL
        } else {
            &[Family::Four]
        }
    }

    /// The networks of all pods with a comma between them, as k3s takes its `cluster-cidr`.
    #[must_use]
    pub fn cluster_cidr(&self) -> String {
        let networks = self.families().iter().map(|family| family.pods());
        networks.collect::<Vec<_>>().join(",")
    }

    /// Every namespace, router first.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let pods = self
            .nodes
            .iter()
            .flat_map(|node| &node.pods)
            .map(|pod| &pod.netns);
        let nodes = self.nodes.iter().map(|node| &node.netns);
        let relay = self.relay.as_ref().map(|relay| &relay.netns);
        std::iter::once(&self.router)
            .chain(relay)
            .chain(nodes)
            .chain(pods)
            .cloned()
            .collect()
    }
}

impl Pod {
    /// Its address of a family.
    #[must_use]
    pub fn address_of(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::Four => Some(self.address.into()),
            Family::Six => self.address_six.map(IpAddr::from),
        }
    }
}

impl Node {
    /// The pod CIDR as text.
    #[must_use]
    pub fn pod_cidr(&self) -> String {
        format!("{}/24", self.pod_network)
    }

    /// Address `host` of the pod CIDR; 1 is cni0.
    #[must_use]
    pub fn pod_address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.pod_network.to_bits() | u32::from(host))
    }

    /// The road to another node.
    #[must_use]
    pub fn road(&self, to: &str) -> Option<&Road> {
        self.roads.iter().find(|road| road.to == to)
    }

    /// The address of one of its devices, tunnel included.
    #[must_use]
    pub fn address_of(&self, device: &str) -> Option<Ipv4Addr> {
        if device == TUNNEL {
            return Some(self.tailnet.address);
        }
        self.devices
            .iter()
            .find(|own| own.name == device)
            .map(|own| own.address)
    }

    /// The IPv6 address of one of its devices, tunnel included.
    #[must_use]
    pub fn address_six_of(&self, device: &str) -> Option<Ipv6Addr> {
        if device == TUNNEL {
            return self.tailnet.address_six;
        }
        let own = self.devices.iter().find(|own| own.name == device)?;
        own.address_six
    }

    /// MTU of the VXLAN device that carries pods of this family: flannel asks for the pods' MTU, and the
    /// kernel lowers it to what the device below has room for.
    #[must_use]
    pub fn overlay_mtu(&self, family: Family) -> u32 {
        let lower = if self.flannel_device == TUNNEL {
            self.tunnel_mtu
        } else {
            WIRE_MTU
        };
        self.pod_mtu.min(lower - family.vxlan_overhead())
    }
}
