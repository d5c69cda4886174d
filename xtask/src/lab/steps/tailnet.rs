//! tailscale0 and what tailscaled writes around it: address, rules 5210-5270 and table 52.

use std::path::Path;

use super::{Helper, Script, Step};
use crate::lab::topology::{Mode, Node, TUNNEL, TUNNEL_MTU, Topology};
use crate::lab::wireguard::{Config, PeerConfig, Start, Way, public_key};

/// tailscaled's mark on the packets of its own sockets, and the mask of its marks.
const OWN_PACKETS: u32 = 0x8_0000;
const MARK_MASK: u32 = 0xff_0000;
/// tailscaled's routing table.
const TABLE: u32 = 52;
/// The address of `MagicDNS`, which tailscaled always routes.
const MAGIC_DNS: &str = "100.100.100.100";

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
            allowed: vec![(peer.tailnet.address, 32)],
            keepalive_seconds: None,
        })
    });
    let config = Config {
        device: TUNNEL.to_owned(),
        mtu: TUNNEL_MTU,
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
    script.ip(format!("link set {TUNNEL} mtu {TUNNEL_MTU} up"));
    script.ip(format!("addr add {}/32 dev {TUNNEL}", node.tailnet.address));
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

/// One /32 per peer, and that of `MagicDNS`.
pub(super) fn routes(node: &Node, nodes: &[&Node]) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let peers = node.roads.iter().filter_map(|road| {
        nodes
            .iter()
            .find(|other| other.name == road.to)
            .map(|peer| peer.tailnet.address.to_string())
    });
    for address in peers.chain([MAGIC_DNS.to_owned()]) {
        script.ip(format!(
            "route replace {address}/32 dev {TUNNEL} table {TABLE}"
        ));
    }
    script.steps
}
