//! From the sketch of a scenario to a topology: deals roles, addresses, order and roads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    NodeSketch, Scenario, Sketch, Wire, h2, h2c, h2v6, h6, h8, mixed, relay, s1, s1d, s1v6, s3, s5,
    s6,
};
use crate::lab::deal::Deal;
use crate::lab::topology::{
    Device, Family, Mode, Node, NodeSix, Pod, Road, Role, Segment, Tailnet, Topology,
};
use crate::lab::{Options, WireId};

/// WireGuard port of every node, tailscaled's default.
const PORT: u16 = 41641;

/// The topology of an option set; pure, equal for equal options.
#[must_use]
pub(crate) fn topology(options: &Options) -> Topology {
    let mut deal = Deal::new(options.seed);
    let mut sketch = match options.scenario {
        Scenario::H2 => h2::sketch(),
        Scenario::H2v6 => h2v6::sketch(),
        Scenario::H2c => h2c::sketch(),
        Scenario::H6 => h6::sketch(),
        Scenario::S1 => s1::sketch(&mut deal),
        Scenario::S1v6 => s1v6::sketch(&mut deal),
        Scenario::S1d => s1d::sketch(&mut deal),
        Scenario::S3 => s3::sketch(&mut deal),
        Scenario::S5 => s5::sketch(&mut deal),
        Scenario::S6 => s6::sketch(),
        Scenario::S6v6 => s6::dual_stack(),
        Scenario::H8 => h8::sketch(&mut deal),
        Scenario::H8c => h8::with_a_third(&mut deal),
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
        .map(|node| build_roads(node, &nodes, &sketch))
        .collect();
    for (node, roads) in nodes.iter_mut().zip(roads) {
        node.roads = roads;
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    deal.shuffle(&mut order);
    let relay = relay::build(&sketch, &nodes, options, &mut deal);
    let services = (sketch.services)(&nodes, &mut deal);
    Topology {
        name: options.name.clone(),
        scenario: options.scenario,
        seed: options.seed,
        router: format!("{prefix}-wan"),
        segments: sketch.segments,
        nodes,
        services,
        relay,
        bridge_netfilter: options.bridge_netfilter,
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
        address_six: None,
        port: PORT,
        key: deal.key(),
    };
    let mut built = Node {
        name: name.to_owned(),
        role: node.role,
        former: None,
        pod_network: Ipv4Addr::new(10, 42, deal.number("pod network", 1, 254), 0),
        vtep: tailnet.address,
        vtep_mac: deal.mac(),
        bridge_mac: deal.mac(),
        flannel_device: node.flannel_device.to_owned(),
        flannel_local: node.flannel_local,
        pod_mtu: node.pod_mtu,
        tunnel_mtu: sketch.tunnel_mtu,
        six: None,
        reach: sketch.reach,
        devices,
        tailnet,
        pods: Vec::new(),
        roads: Vec::new(),
        netns,
    };
    if let (Role::Moved, Some(device)) = (node.role, built.devices.first()) {
        let network = device.address.to_bits() & !0xff;
        let host = u32::from(deal.number("host", 10, 250));
        built.former = Some(Ipv4Addr::from_bits(network | host));
    }
    built.vtep = built.address_of(node.flannel_device).unwrap_or(built.vtep);
    let letters = ('a'..='z').take(options.pods_per_node);
    built.pods = letters
        .map(|letter| Pod {
            name: format!("{name}-{letter}"),
            netns: format!("{}-{letter}", built.netns),
            address: built.pod_address(deal.number("pod host", 2, 250)),
            address_six: None,
            mac: deal.mac(),
            host_veth: deal.veth(),
        })
        .collect();
    if sketch.families.contains(&Family::Six) {
        add_six(&mut built, sketch, deal);
    }
    built
}

/// The range of all IPv6 pods: `2001:cafe:42::/56`, as in k3s's documents.
const PODS_SIX: [u16; 4] = [0x2001, 0xcafe, 0x42, 0];

/// What a node of a dual-stack lab has of IPv6.
fn add_six(node: &mut Node, sketch: &Sketch, deal: &mut Deal) {
    for device in &mut node.devices {
        let segments = sketch.segments.iter();
        let mut own = segments.filter(|own| own.name == device.segment);
        let gateway = own.find_map(|own| own.gateway_six);
        let dealt = deal.number("host of IPv6", 10, 250);
        device.address_six = gateway.map(|gateway| {
            let network = gateway.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(network | u128::from(dealt))
        });
        let metric = device.default_route.map(|(_, metric)| metric);
        device.default_route_six = gateway.zip(metric);
    }
    let tailnet = four_to_six(node.tailnet.address);
    node.tailnet.address_six = Some(tailnet);
    let [first, second, third, _] = PODS_SIX;
    let number = deal.number("pod network of IPv6", 1, 254);
    let six = NodeSix {
        pod_network: Ipv6Addr::new(first, second, third, u16::from(number), 0, 0, 0, 0),
        vtep: node.address_six_of(&node.flannel_device).unwrap_or(tailnet),
        vtep_mac: deal.mac(),
    };
    for pod in &mut node.pods {
        pod.address_six = Some(six.pod_address(deal.number("pod host of IPv6", 2, 250)));
    }
    node.six = Some(six);
}

/// The address in `fd7a:115c:a1e0::/48` that Tailscale gives to a node with this IPv4 one
/// (tailscale: net/tsaddr, `Tailscale4To6`).
fn four_to_six(address: Ipv4Addr) -> Ipv6Addr {
    let [_, b, c, d] = address.octets();
    let low = u16::from_be_bytes([c, d]);
    let high = 0x6200 | u16::from(b);
    Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0xab12, 0x4843, 0xcd96, high, low)
}

/// A device with its address inside the segment.
pub(super) fn build_device(
    node: &str,
    wire: &Wire,
    segment: &Segment,
    options: &Options,
    deal: &mut Deal,
) -> Device {
    let dealt = u32::from(deal.number("host", 10, 250));
    let network = segment.gateway.to_bits() & !0xff;
    let wanted = |asked: &WireId| asked.node == node && asked.device == wire.device;
    Device {
        name: wire.device.to_owned(),
        address: wire
            .address
            .unwrap_or_else(|| Ipv4Addr::from_bits(network | dealt)),
        prefix: segment.prefix,
        address_six: None,
        mac: deal.mac(),
        segment: segment.name.clone(),
        router_port: format!("{node}-{}", wire.device),
        default_route: wire.default_metric.map(|metric| (segment.gateway, metric)),
        default_route_six: None,
        delay_box: options.delay_boxes.iter().any(wanted),
    }
}

/// The roads of one node to all others.
fn build_roads(node: &Node, nodes: &[Node], sketch: &Sketch) -> Vec<Road> {
    let others = nodes.iter().filter(|other| other.name != node.name);
    others
        .filter_map(|other| {
            let (vtep_device, endpoint_device) = (sketch.roads)(node.role, other.role);
            let endpoint: IpAddr = match sketch.outer {
                Family::Four => other.address_of(endpoint_device)?.into(),
                Family::Six => other.address_six_of(endpoint_device)?.into(),
            };
            let segment_of = |node: &Node| {
                let device = node
                    .devices
                    .iter()
                    .find(|own| own.name == endpoint_device)?;
                Some(device.segment.clone())
            };
            Some(Road {
                to: other.name.clone(),
                vtep: other.former.or(other.address_of(vtep_device))?,
                vtep_six: other.address_six_of(vtep_device),
                vtep_device: vtep_device.to_owned(),
                endpoint: SocketAddr::new(endpoint, other.tailnet.port),
                endpoint_device: endpoint_device.to_owned(),
                mode: if (sketch.parted)(node.role, other.role) {
                    sketch.mode
                } else {
                    Mode::Direct
                },
                endpoint_on_link: segment_of(node) == segment_of(other),
            })
        })
        .collect()
}
