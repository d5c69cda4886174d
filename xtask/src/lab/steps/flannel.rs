//! flannel.1 with its forwarding database, neighbours and routes, as flannel's vxlan backend
//! writes them, and its masquerading rules.

use std::net::Ipv4Addr;

use super::{Script, Step};
use crate::lab::topology::{Node, VXLAN};

/// The range of all pods.
pub(super) const CLUSTER: &str = "10.42.0.0/16";

/// The VXLAN device: VNI 1, kernel port, no learning, its own /32.
pub(super) fn device(node: &Node) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let Node {
        vtep_mac,
        pod_mtu,
        flannel_device,
        vtep,
        pod_network,
        ..
    } = node;
    let local = if node.flannel_local {
        format!(" local {vtep}")
    } else {
        String::new()
    };
    script.ip(format!(
        "link add {VXLAN} address {vtep_mac} mtu {pod_mtu} type vxlan id 1 \
         dev {flannel_device}{local} dstport 8472 nolearning"
    ));
    script.ip(format!("addr add {pod_network}/32 dev {VXLAN}"));
    script.ip(format!("link set {VXLAN} up"));
    script.steps
}

/// One permanent neighbour, forwarding entry and onlink route per remote node.
pub(super) fn remotes(node: &Node, nodes: &[&Node]) -> Vec<Step> {
    let mut routes = Script::new(&node.netns);
    let mut entries = Vec::new();
    for road in &node.roads {
        let Some(peer) = nodes.iter().find(|other| other.name == road.to) else {
            continue;
        };
        let Node {
            pod_network,
            vtep_mac,
            ..
        } = peer;
        routes.ip(format!(
            "neigh replace {pod_network} lladdr {vtep_mac} dev {VXLAN} nud permanent"
        ));
        routes.ip(format!(
            "route replace {} via {pod_network} dev {VXLAN} onlink",
            peer.pod_cidr()
        ));
        entries.push(forwarding(node, peer, road.vtep));
    }
    routes.steps.append(&mut entries);
    routes.steps
}

/// The forwarding entry for a peer.
pub(super) fn forwarding(node: &Node, peer: &Node, vtep: Ipv4Addr) -> Step {
    let mac = &peer.vtep_mac;
    Step::Bridge {
        netns: node.netns.clone(),
        line: format!("fdb replace {mac} dev {VXLAN} dst {vtep} self permanent"),
    }
}

/// Pod traffic keeps its source inside the cluster and is masqueraded outside.
pub(super) fn masquerade(node: &Node) -> Step {
    let own = node.pod_cidr();
    let ruleset = format!(
        "table ip flannel-ipv4 {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ip saddr {CLUSTER} accept
    ip daddr {CLUSTER} accept
  }}
  chain postrtg {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x4000 return
    ip saddr {own} ip daddr {CLUSTER} return
    ip saddr {CLUSTER} ip daddr {own} return
    ip saddr != {own} ip daddr {CLUSTER} return
    ip saddr {CLUSTER} ip daddr != 224.0.0.0/4 masquerade fully-random
    ip saddr != {CLUSTER} ip daddr {CLUSTER} masquerade fully-random
  }}
}}"
    );
    Step::Nft {
        netns: node.netns.clone(),
        ruleset,
    }
}
