//! flannel.1 with its forwarding database, neighbours and routes, as flannel's vxlan backend
//! writes them, the same of IPv6 on flannel-v6.1, and its masquerading rules.

use std::net::IpAddr;

use super::{Script, Step};
use crate::lab::topology::{Family, Node, Road};

/// What a node has of one family's overlay.
struct Overlay {
    family: Family,
    /// Address of its device, which is also that of its pod network.
    address: IpAddr,
    pod_cidr: String,
    vtep: IpAddr,
    mac: String,
}

impl Overlay {
    /// None of a family that the node's pods do not have.
    fn of(node: &Node, family: Family) -> Option<Self> {
        match family {
            Family::Four => Some(Self {
                family,
                address: node.pod_network.into(),
                pod_cidr: node.pod_cidr(),
                vtep: node.vtep.into(),
                mac: node.vtep_mac.clone(),
            }),
            Family::Six => node.six.as_ref().map(|six| Self {
                family,
                address: six.pod_network.into(),
                pod_cidr: six.pod_cidr(),
                vtep: six.vtep.into(),
                mac: six.vtep_mac.clone(),
            }),
        }
    }

    fn all(node: &Node) -> impl Iterator<Item = Self> {
        Family::ALL
            .into_iter()
            .filter_map(|family| Self::of(node, family))
    }
}

/// The VXLAN devices of a node: one per family of its pods.
pub(super) fn devices(node: &Node) -> Vec<Step> {
    Overlay::all(node)
        .flat_map(|own| device(node, &own))
        .collect()
}

/// The VXLAN device of this name.
pub(super) fn device_named(node: &Node, name: &str) -> Vec<Step> {
    Overlay::all(node)
        .filter(|own| own.family.overlay() == name)
        .flat_map(|own| device(node, &own))
        .collect()
}

/// A VXLAN device: VNI 1, kernel port, no learning, its own host address. flannel asks for the pods'
/// MTU; over IPv6 the kernel grants 20 bytes less than over IPv4.
fn device(node: &Node, own: &Overlay) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let (name, mac, vtep) = (own.family.overlay(), &own.mac, own.vtep);
    let Node {
        pod_mtu,
        flannel_device,
        ..
    } = node;
    let local = if node.flannel_local {
        format!(" local {vtep}")
    } else {
        String::new()
    };
    script.ip(format!(
        "link add {name} address {mac} mtu {pod_mtu} type vxlan id 1 \
         dev {flannel_device}{local} dstport 8472 nolearning"
    ));
    let length = match own.family {
        Family::Four => "32",
        Family::Six => "128",
    };
    script.ip(format!("addr add {}/{length} dev {name}", own.address));
    script.ip(format!("link set {name} up"));
    script.steps
}

/// One permanent neighbour, forwarding entry and onlink route per remote node and family.
pub(super) fn remotes(node: &Node, nodes: &[&Node]) -> Vec<Step> {
    let families = Family::ALL.into_iter();
    families
        .flat_map(|family| remotes_of(node, nodes, family))
        .collect()
}

/// Those of the VXLAN device of this name.
pub(super) fn remotes_by(node: &Node, nodes: &[&Node], device: &str) -> Vec<Step> {
    let families = Family::ALL.into_iter();
    families
        .filter(|family| family.overlay() == device)
        .flat_map(|family| remotes_of(node, nodes, family))
        .collect()
}

fn remotes_of(node: &Node, nodes: &[&Node], family: Family) -> Vec<Step> {
    let mut routes = Script::new(&node.netns);
    let mut entries = Vec::new();
    let device = family.overlay();
    for road in &node.roads {
        let peer = nodes.iter().find(|other| other.name == road.to);
        let Some((peer, other)) = peer.and_then(|peer| Some((peer, Overlay::of(peer, family)?)))
        else {
            continue;
        };
        let Overlay {
            address,
            mac,
            pod_cidr,
            ..
        } = other;
        routes.ip(format!(
            "neigh replace {address} lladdr {mac} dev {device} nud permanent"
        ));
        routes.ip(format!(
            "route replace {pod_cidr} via {address} dev {device} onlink"
        ));
        entries.extend(vtep(road, family).and_then(|vtep| forwarding(node, peer, vtep)));
    }
    routes.steps.append(&mut entries);
    routes.steps
}

fn vtep(road: &Road, family: Family) -> Option<IpAddr> {
    match family {
        Family::Four => Some(road.vtep.into()),
        Family::Six => road.vtep_six.map(IpAddr::from),
    }
}

/// The forwarding entry for a peer, on the device of the address's family; none if the peer has no
/// pods of it.
pub(super) fn forwarding(node: &Node, peer: &Node, vtep: IpAddr) -> Option<Step> {
    let family = match vtep {
        IpAddr::V4(_) => Family::Four,
        IpAddr::V6(_) => Family::Six,
    };
    let Overlay { mac, .. } = Overlay::of(peer, family)?;
    let device = family.overlay();
    Some(Step::Bridge {
        netns: node.netns.clone(),
        line: format!("fdb replace {mac} dev {device} dst {vtep} self permanent"),
    })
}

/// Pod traffic keeps its source inside the cluster and is masqueraded outside.
pub(super) fn masquerade(node: &Node) -> Vec<Step> {
    let rules = |own: Overlay| {
        let (table, protocol, multicast) = match own.family {
            Family::Four => ("ip flannel-ipv4", "ip", "224.0.0.0/4"),
            Family::Six => ("ip6 flannel-ipv6", "ip6", "ff00::/8"),
        };
        let cluster = own.family.pods();
        let own = own.pod_cidr;
        let ruleset = format!(
            "table {table} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    {protocol} saddr {cluster} accept
    {protocol} daddr {cluster} accept
  }}
  chain postrtg {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x4000 return
    {protocol} saddr {own} {protocol} daddr {cluster} return
    {protocol} saddr {cluster} {protocol} daddr {own} return
    {protocol} saddr != {own} {protocol} daddr {cluster} return
    {protocol} saddr {cluster} {protocol} daddr != {multicast} masquerade fully-random
    {protocol} saddr != {cluster} {protocol} daddr {cluster} masquerade fully-random
  }}
}}"
        );
        Step::Nft {
            netns: node.netns.clone(),
            ruleset,
        }
    };
    Overlay::all(node).map(rules).collect()
}
