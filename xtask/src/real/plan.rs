//! The real lab as data: nodes, wires and segments with their addresses, dealt from a seed.
//! Pure: what only the running components know (tailnet and pod addresses) is not here.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::layout::{Layout, Medium, Plugged};
use crate::lab::deal::Deal;

/// Namespace of the router, the control server and the relays.
pub const INET: &str = "inet";
/// The one address of the control server and of the pod network's store.
pub const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The address that Lima gives every machine in its user-mode network.
pub const USER_MODE: Ipv4Addr = Ipv4Addr::new(192, 168, 5, 15);
/// The gateway of that network.
pub const USER_MODE_GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 5, 2);

/// A lab before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What dealt roles and addresses.
    pub seed: u64,
    /// Layer 2 segments of the router.
    pub segments: Vec<Segment>,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
}

/// A layer 2 segment with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Name; for a switch also that of the bridge in `inet`.
    pub name: String,
    /// How it is connected.
    pub medium: Medium,
    /// The router's address in it; a /24.
    pub gateway: Ipv4Addr,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// `n1`, `n2`...: also its namespace.
    pub name: String,
    /// The part it plays in the scenario.
    pub role: &'static str,
    /// Underlay devices.
    pub wires: Vec<Wire>,
    /// Network address of its /24 of pods.
    pub pod_network: Ipv4Addr,
    /// Names of its pods, also their namespaces.
    pub pods: Vec<String>,
}

/// An underlay device of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wire {
    /// `eth0` or `lima0`.
    pub device: &'static str,
    /// The segment it leads to.
    pub segment: String,
    /// Its address in a /24.
    pub address: Ipv4Addr,
    /// Where its default route leads.
    pub gateway: Ipv4Addr,
    /// Metric of that route.
    pub metric: u32,
    /// The address that the world sees, where a user-mode network hides the node.
    pub outside: Option<Ipv4Addr>,
    /// One-way delay of the wire in milliseconds, where it has a delay box.
    pub delay_ms: Option<u64>,
    /// Whether it is there from the start.
    pub plugged: Plugged,
}

impl Plan {
    /// Deals roles, order and addresses.
    #[must_use]
    pub fn new(layout: fn() -> Layout, seed: u64) -> Self {
        let mut deal = Deal::new(seed);
        let mut layout = layout();
        deal.shuffle(&mut layout.nodes);
        let segments: Vec<Segment> = layout
            .segments
            .iter()
            .map(|(name, medium)| Segment {
                name: (*name).to_owned(),
                medium: *medium,
                gateway: gateway(*medium, &mut deal),
            })
            .collect();
        let nodes = (1_u8..).zip(&layout.nodes).map(|(number, sketch)| {
            let name = format!("n{number}");
            let letters = ('a'..='z').take(sketch.pods);
            Node {
                role: sketch.role,
                wires: wires(sketch, &segments, &mut deal),
                pod_network: Ipv4Addr::new(10, 42, deal.number("pods", 1, 254), 0),
                pods: letters.map(|letter| format!("{name}-{letter}")).collect(),
                name,
            }
        });
        let nodes = nodes.collect();
        Self {
            seed,
            segments,
            nodes,
        }
    }

    /// Every namespace of the lab, the router first.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let nodes = self.nodes.iter().map(|node| node.name.clone());
        let pods = self.nodes.iter().flat_map(|node| node.pods.clone());
        let gateways = self.nodes.iter().flat_map(|node| {
            let hidden = node.wires.iter().filter(|wire| wire.outside.is_some());
            hidden.map(|_| node.user_mode_netns())
        });
        std::iter::once(INET.to_owned())
            .chain(gateways)
            .chain(nodes)
            .chain(pods)
            .collect()
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The nodes that play this part, in the order of their names.
    pub fn of_role(&self, role: &str) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    /// An address of a segment that nobody has.
    #[must_use]
    pub fn free_address(&self, segment: &Segment) -> Option<Ipv4Addr> {
        let wires = self.nodes.iter().flat_map(|node| &node.wires);
        let taken: Vec<Ipv4Addr> = wires
            .map(|wire| wire.outside.unwrap_or(wire.address))
            .collect();
        let network = segment.gateway.to_bits() & !0xff;
        // Where the search begins differs from seed to seed.
        let first = u32::try_from(self.seed % 240).unwrap_or_default();
        let mut hosts = (0..240).map(|step| network | (10 + (first + step) % 240));
        hosts.find_map(|host| {
            let address = Ipv4Addr::from_bits(host);
            (!taken.contains(&address)).then_some(address)
        })
    }

    /// The segment of this name.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }
}

impl Node {
    /// The pod CIDR as text.
    #[must_use]
    pub fn pod_cidr(&self) -> String {
        format!("{}/24", self.pod_network)
    }

    /// Address `host` of the pod CIDR: 0 is flannel.1, 1 is cni0.
    #[must_use]
    pub fn pod_address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.pod_network.to_bits() | u32::from(host))
    }

    /// The /24 of a device.
    #[must_use]
    pub fn network_of(&self, device: &str) -> Option<String> {
        let [a, b, c, _] = self.address_of(device)?.octets();
        Some(format!("{a}.{b}.{c}.0/24"))
    }

    /// The address of a device.
    #[must_use]
    pub fn address_of(&self, device: &str) -> Option<Ipv4Addr> {
        let wire = self.wires.iter().find(|wire| wire.device == device)?;
        Some(wire.address)
    }

    /// The other nodes of a plan.
    pub fn others<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a Self> {
        let nodes = plan.nodes.iter();
        nodes.filter(move |other| other.name != self.name)
    }

    /// Namespace of the gateway that hides its user-mode network.
    #[must_use]
    pub fn user_mode_netns(&self) -> String {
        format!("{}-user", self.name)
    }
}

impl Wire {
    /// The address that the router and all behind it see.
    #[must_use]
    pub fn seen_as(&self) -> Ipv4Addr {
        self.outside.unwrap_or(self.address)
    }
}

/// The router's address in a segment.
fn gateway(medium: Medium, deal: &mut Deal) -> Ipv4Addr {
    match medium {
        Medium::Vmnet => Ipv4Addr::new(192, 168, 105, 1),
        // Above Lima's networks 104 to 106, which would make it a vmnet.
        Medium::Lan => Ipv4Addr::new(192, 168, deal.number("lan", 110, 250), 1),
        // Below 42: 10.42 and 10.43 belong to pods and Services; 10.0.0 to the servers.
        Medium::Routed | Medium::UserMode => {
            let low = deal.number("site low", 0, 250);
            Ipv4Addr::new(10, deal.number("site", 60, 250), low, 1)
        }
    }
}

fn wires(sketch: &super::layout::NodeSketch, segments: &[Segment], deal: &mut Deal) -> Vec<Wire> {
    let wires = sketch.wires.iter().filter_map(|wire| {
        let segment = segments.iter().find(|own| own.name == wire.segment)?;
        let host = u32::from(deal.number("host", 10, 250));
        let dealt = Ipv4Addr::from_bits((segment.gateway.to_bits() & !0xff) | host);
        let hidden = segment.medium == Medium::UserMode;
        Some(Wire {
            device: wire.device,
            segment: segment.name.clone(),
            address: if hidden { USER_MODE } else { dealt },
            gateway: if hidden {
                USER_MODE_GATEWAY
            } else {
                segment.gateway
            },
            metric: wire.metric,
            outside: hidden.then_some(dealt),
            delay_ms: wire.delay_ms,
            plugged: wire.plugged,
        })
    });
    wires.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Plan, USER_MODE};
    use crate::real::layout::{Layout, Plugged};

    #[test]
    fn machines_behind_gateways_share_an_address_that_nobody_else_sees() {
        let plan = Plan::new(|| Layout::user_mode(&["peer", "peer"]), 3);
        let wires: Vec<_> = plan.nodes.iter().flat_map(|node| &node.wires).collect();
        let own: Vec<_> = wires.iter().map(|wire| wire.address).collect();
        assert_eq!(own, [USER_MODE, USER_MODE]);
        assert_ne!(wires[0].seen_as(), wires[1].seen_as());
        assert_ne!(wires[0].seen_as(), USER_MODE);
    }

    #[test]
    fn a_wire_that_is_left_for_later_has_its_address() {
        let plan = Plan::new(|| Layout::vmnet(&["peer"]).unplugged("lima0"), 3);
        let plugged = plan.nodes[0].wires.iter();
        let plugged: Vec<_> = plugged.map(|wire| (wire.device, wire.plugged)).collect();
        assert_eq!(
            plugged,
            [("eth0", Plugged::AtOnce), ("lima0", Plugged::Later)]
        );
        let network = plan.nodes[0].network_of("lima0");
        assert_eq!(network.as_deref(), Some("192.168.105.0/24"));
    }

    #[test]
    fn a_free_address_is_of_the_segment_and_nobodys() {
        let mut found = BTreeSet::new();
        for seed in 0..300 {
            let plan = Plan::new(|| Layout::lan(&["a", "b", "c", "d"]), seed);
            let lan = plan.segment("lan").expect("a LAN");
            let free = plan.free_address(lan).expect("room");
            let taken = plan.nodes.iter().filter_map(|node| node.address_of("eth0"));
            let mut taken = taken.chain([lan.gateway]);
            assert!(taken.all(|own| own != free), "{free} of seed {seed}");
            assert_eq!(free.octets()[..3], lan.gateway.octets()[..3]);
            found.insert(free.octets()[3]);
        }
        assert!(found.len() > 100, "it differs from seed to seed");
    }
}
