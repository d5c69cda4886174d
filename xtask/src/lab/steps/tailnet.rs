//! tailscale0 and what tailscaled writes around it: address, rules 5210-5270 and table 52.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::{Helper, Script, Step};
use crate::lab::topology::{Mode, Node, Reach, TUNNEL, Topology};
use crate::lab::wireguard::{Config, PeerConfig, Start, Way, public_key};

/// tailscaled's mark on the packets of its own sockets, and the mask of its marks.
const OWN_PACKETS: u32 = 0x8_0000;
const MARK_MASK: u32 = 0xff_0000;
/// tailscaled's routing table.
const TABLE: u32 = 52;
/// The addresses of `MagicDNS`, which tailscaled always routes.
const MAGIC_DNS: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 100);
const MAGIC_DNS_SIX: Ipv6Addr = Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 0, 0, 0x53);

/// Name of the process that carries a node's tunnel.
pub(super) fn process_name(node: &Node) -> String {
    format!("wireguard-{}", node.name)
}

/// Starts the tunnel of a node.
pub(super) fn process(topology: &Topology, node: &Node, start: Start, directory: &Path) -> Step {
    let name = process_name(node);
    let peers = node.roads.iter().filter_map(|road| {
        let peer = topology.node(&road.to)?;
        Some(PeerConfig {
            name: peer.name.clone(),
            public_key: public_key(peer.tailnet.key),
            endpoint: road.endpoint,
            relayed: relayed(topology, node, peer),
            allowed: networks(peer),
            keepalive_seconds: None,
        })
    });
    let config = Config {
        device: TUNNEL.to_owned(),
        mtu: node.tunnel_mtu,
        port: node.tailnet.port,
        mark: OWN_PACKETS,
        private_key: node.tailnet.key,
        relay: topology.relay.as_ref().map(|relay| relay.listen),
        peers: peers.collect(),
        start,
        delay_file: directory.join(format!("{name}.ms")),
    };
    Step::Start {
        netns: node.netns.clone(),
        name,
        helper: Helper::Wireguard(config),
    }
}

/// The way through the relay to a peer, if there is a relay.
fn relayed(topology: &Topology, node: &Node, peer: &Node) -> Option<Way> {
    let relay = topology.relay.as_ref()?;
    match relay.mode {
        Mode::Direct => None,
        Mode::Derp => Some(Way::Derp(public_key(peer.tailnet.key))),
        Mode::PeerRelay => relay
            .session(&node.name, &peer.name)
            .map(|session| Way::PeerRelay(session.vni)),
    }
}

/// The device, once it is there, with its address.
pub(super) fn device(node: &Node) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    script.steps.push(Step::Await {
        netns: node.netns.clone(),
        device: TUNNEL.to_owned(),
        process: process_name(node),
    });
    script.ip(format!("link set {TUNNEL} mtu {} up", node.tunnel_mtu));
    script.ip(format!("addr add {}/32 dev {TUNNEL}", node.tailnet.address));
    if let Some(six) = node.tailnet.address_six {
        script.ip(format!("addr add {six}/128 dev {TUNNEL} nodad"));
    }
    script.steps
}

/// The rules of both families; they outlive the device.
pub(super) fn rules(node: &Node) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let mut six = Script::new(&node.netns);
    let mark = format!("fwmark {OWN_PACKETS:#x}/{MARK_MASK:#x}");
    for rule in [
        format!("rule add pref 5210 {mark} lookup main"),
        format!("rule add pref 5230 {mark} lookup default"),
        format!("rule add pref 5250 {mark} unreachable"),
        format!("rule add pref 5270 lookup {TABLE}"),
    ] {
        script.ip(rule.clone());
        six.ip6(rule);
    }
    script.steps.append(&mut six.steps);
    script.steps
}

/// The networks of a peer: its own addresses, and its pods where they are reached by the tailnet.
fn networks(peer: &Node) -> Vec<(IpAddr, u8)> {
    let mut networks = vec![(peer.tailnet.address.into(), 32)];
    let six = peer.tailnet.address_six;
    networks.extend(six.map(|address| (address.into(), 128)));
    if peer.reach == Reach::SubnetRoute {
        networks.push((peer.pod_network.into(), 24));
        let six = peer.six.as_ref();
        networks.extend(six.map(|six| (six.pod_network.into(), 64)));
    }
    networks
}

/// The networks of every peer, and `MagicDNS`.
pub(super) fn routes(node: &Node, nodes: &[&Node]) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let peers = node
        .roads
        .iter()
        .filter_map(|road| nodes.iter().find(|other| other.name == road.to));
    let dns_six = node.six.is_some().then_some((MAGIC_DNS_SIX.into(), 128));
    let dns = [(MAGIC_DNS.into(), 32)].into_iter().chain(dns_six);
    for (network, length) in peers.flat_map(|peer| networks(peer)).chain(dns) {
        script.ip(format!(
            "route replace {network}/{length} dev {TUNNEL} table {TABLE}"
        ));
    }
    script.steps
}
