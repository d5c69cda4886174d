//! S6b, fault: as [`super::s6`], and tailscaled has chosen addresses of the pod network (flannel.1
//! or cni0 of the peer) as its endpoints: its datagrams are pod traffic themselves.
//!
//! ```text
//!   pod packet > tailscale0 > WireGuard to 10.42.K.0|1 > flannel.1 > VXLAN to 192.168.105.x > lima0
//! ```
//!
//! On real hosts this is tailscaled's own choice, made anew now and then; here a rule for its mark
//! leaves it no other: of what it sends from its port, only that to the pod network gets out.

use std::net::Ipv4Addr;

use super::paths::Views;
use super::signs::leaves;
use super::tunnel_signs::{all_reached, is_direct_at};
use super::{Expected, Finding, Scenario, s6};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::NETWORK;
use crate::real::layout::Layout;
use crate::real::plan::Node;
use crate::real::relays::REGIONS;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S6B: Scenario = Scenario {
    id: "S6b",
    title: "the tunnel goes through the pod network that it replaces",
    layout: || Layout::vmnet(&["peer", "peer", "peer"]),
    build: |lab| {
        keep_on_pods(lab)?;
        s6::share(lab)?;
        lab.await_endpoints("at its pod network", |other, address| {
            own_addresses(other).contains(&address)
        })
    },
    undo: Some(undo),
    paths: |lab| {
        let views = Views {
            intended: "vxlan-vmnet",
            configured: "tailscale-subnet",
            observed: "tailscale-over-overlay",
            encap: "vxlan>wireguard",
        };
        Expected::everywhere(lab, views)
    },
    signs,
    finding: Some(Finding {
        cause: "tunnel_over_overlay",
        fix: "tailscaled-off-pod-network",
        by: &[],
        beside: &[],
    }),
};

/// Of what tailscaled sends from its port, only STUN and what goes to pod networks passes. The mark
/// alone does not do: VXLAN around its packets bears it too.
fn keep_on_pods(lab: &RealLab) -> Result<(), LabError> {
    let relays = REGIONS.map(|region| region.address.to_string()).join(", ");
    let elsewhere = format!("udp sport 41641 ip daddr != {{ {NETWORK}, {relays} }}");
    lab.on_every_node(|node| lab.keep_tunnel_from(node, &elsewhere))
}

/// The tunnel is kept off the pod network, then pods are given back to it.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    s6::keep_off_pods(lab)?;
    s6::on_vmnet(lab)?;
    s6::undo(lab)
}

/// The addresses that a node itself has in the pod network: those of flannel.1 and cni0.
fn own_addresses(node: &Node) -> [Ipv4Addr; 2] {
    [node.pod_address(0), node.pod_address(1)]
}

/// As S6, but what leaves by the wire is VXLAN with tailscaled's mark, and WireGuard passes flannel.1.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let mut signs = s6::taken(evidence)?;
    signs.extend(all_reached(
        evidence,
        "at its pod network",
        |_, other, mode| is_direct_at(mode, &own_addresses(other)),
    )?);
    for node in &evidence.lab().plan().nodes {
        signs.push(leaves(evidence, node, "flannel.1", Kind::WireGuard));
        signs.push(leaves(evidence, node, "lima0", Kind::MarkedVxlan));
    }
    Ok(signs)
}
