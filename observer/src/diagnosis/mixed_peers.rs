//! S1c: pod packets ride in VXLAN inside WireGuard to all peers, of which some are neighbours on the
//! LAN and some are not. Flannel's interface is a setting of the whole node, so it cannot move to the
//! LAN: the remote peers have to leave flannel instead.
//!
//! Never: a claim about which peer is the neighbour. What entered the tunnel in VXLAN and was not taken
//! by far endpoints or relays went to neighbours; whose it was, the bytes do not say.

use std::net::IpAddr;

use crate::path::{Class, Leg, PathReport};

use super::double_encapsulation::{inside_the_node, is_of_tailnet};
use super::{Cause, Endpoint, Evidence, Finding, Fix, Subject};

/// What the rule looks at for one node.
#[derive(Clone, Copy, Debug)]
pub struct MixedFacts<'a> {
    /// This node.
    pub node: &'a str,
    /// A path that leaves a pod of this node in VXLAN through the tunnel.
    pub path: &'a PathReport,
    /// `WireGuard` bytes that the pods' VXLAN made at the tunnel, padding left out.
    pub vxlan: u64,
    /// What left the tunnel at the same time, by carrier and far end.
    pub leg: &'a Leg,
    /// Every `WireGuard` endpoint with a session that may be alive.
    pub endpoints: &'a [Endpoint],
}

/// Least share of the VXLAN that has to have gone to neighbours, percent: sums of two devices are not
/// read at the same moment.
const SHARE: u64 = 20;
/// Least bytes to judge by.
const ENOUGH: u64 = 20_000;

/// Finds double encapsulation to the neighbours among a node's peers.
#[must_use]
pub fn mixed_peers(facts: &MixedFacts<'_>) -> Option<Finding> {
    let is_meant = facts.path.class == Some(Class::VxlanTailscale)
        && facts.path.confirmed
        && facts.path.peer.is_none_or(is_of_tailnet);
    if !is_meant || facts.vxlan < ENOUGH {
        return None;
    }
    let (near, far): (Vec<_>, Vec<_>) = facts.endpoints.iter().partition(|own| own.on_link);
    let near: Vec<_> = near
        .into_iter()
        .filter(|own| bytes(facts, own) > 0)
        .collect();
    let device = &near.first()?.device;
    let far: Vec<_> = far
        .into_iter()
        .filter(|own| bytes(facts, own) > 0)
        .collect();
    let leg = facts.leg;
    let relayed = leg.peer_relay() + leg.relay_tcp() + leg.overlay();
    let elsewhere = far.iter().map(|own| bytes(facts, own)).sum::<u64>() + relayed;
    let to_neighbours = facts.vxlan.saturating_sub(elsewhere);
    if elsewhere == 0 || to_neighbours * 100 < facts.vxlan * SHARE {
        return None;
    }
    let nodes = near.iter().map(|own| own.address.to_string());
    Some(Finding {
        cause: Cause::DoubleEncapsulation,
        subject: Subject {
            nodes: std::iter::once(facts.node.to_owned())
                .chain(nodes)
                .collect(),
        },
        confidence: 0.8,
        cost: inside_the_node(facts.path),
        evidence: vec![
            Evidence {
                id: "vxlan_to_neighbours",
                text: format!(
                    "{} bytes of VXLAN entered the tunnel, and only {elsewhere} left it for far \
                     endpoints and relays: the rest went to {}",
                    facts.vxlan,
                    listed(&near)
                ),
            },
            Evidence {
                id: "peers_behind_a_router",
                text: format!("not every peer is a neighbour: {}", listed(&far)),
            },
        ],
        fix: Fix {
            id: "subnet-routes-remote",
            text: format!(
                "let the remote nodes advertise their pod CIDRs as subnet routes (`tailscale set \
                 --advertise-routes=CIDR --snat-subnet-routes=false`, approve them, and \
                 `--accept-routes` on the LAN nodes and the remote ones), then set \
                 `flannel-iface: {device}` on the LAN nodes alone and recreate their pods"
            ),
            side_effects: vec![
                "with --accept-routes a LAN node must not accept the pod CIDR of another LAN node: \
                 do not advertise those"
                    .to_owned(),
                "pod traffic between LAN nodes is no longer encrypted".to_owned(),
            ],
        },
        refuted_by: "WireGuard to the neighbours that carries no pod packets, such as a backup \
                     between the nodes themselves, while VXLAN to far peers is lost on its way out"
            .to_owned(),
    })
}

/// What left for an endpoint without a relay.
fn bytes(facts: &MixedFacts<'_>, endpoint: &Endpoint) -> u64 {
    let address: IpAddr = endpoint.address;
    facts.leg.direct.get(&address).copied().unwrap_or_default()
}

fn listed(endpoints: &[&Endpoint]) -> String {
    if endpoints.is_empty() {
        return "those behind relays".to_owned();
    }
    let listed = endpoints
        .iter()
        .map(|own| format!("{} on {} ({})", own.address, own.device, own.underlay));
    listed.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
