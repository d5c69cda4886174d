//! From the sketch of a scenario to a topology: deals roles, addresses, order and roads.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{NodeSketch, Scenario, Sketch, Wire, h2, h2c, h6, h8, mixed, relay, s1, s1d, s3, s5};
use crate::lab::deal::Deal;
use crate::lab::topology::{Device, Mode, Node, Pod, Road, Role, Segment, Tailnet, Topology};
use crate::lab::{Options, WireId};

/// WireGuard port of every node, tailscaled's default.
const PORT: u16 = 41641;

/// The topology of an option set; pure, equal for equal options.
#[must_use]
pub(crate) fn topology(options: &Options) -> Topology {
    let mut deal = Deal::new(options.seed);
    let mut sketch = match options.scenario {
        Scenario::H2 => h2::sketch(),
        Scenario::H2c => h2c::sketch(),
        Scenario::H6 => h6::sketch(),
        Scenario::S1 => s1::sketch(&mut deal),
        Scenario::S1d => s1d::sketch(&mut deal),
        Scenario::S3 => s3::sketch(&mut deal),
        Scenario::S5 => s5::sketch(&mut deal),
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
            mac: deal.mac(),
            host_veth: deal.veth(),
        })
        .collect();
    built
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
        mac: deal.mac(),
        segment: segment.name.clone(),
        router_port: format!("{node}-{}", wire.device),
        default_route: wire.default_metric.map(|metric| (segment.gateway, metric)),
        delay_box: options.delay_boxes.iter().any(wanted),
    }
}

/// The roads of one node to all others.
fn build_roads(node: &Node, nodes: &[Node], sketch: &Sketch) -> Vec<Road> {
    let others = nodes.iter().filter(|other| other.name != node.name);
    others
        .filter_map(|other| {
            let (vtep_device, endpoint_device) = (sketch.roads)(node.role, other.role);
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
                vtep: other.former.or(other.address_of(vtep_device))?,
                vtep_device: vtep_device.to_owned(),
                endpoint: SocketAddrV4::new(endpoint, other.tailnet.port),
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
