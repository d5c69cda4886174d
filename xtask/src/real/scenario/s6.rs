//! S6, fault: pod CIDRs are offered to the tailnet and accepted between neighbours, so rule 5270 and
//! table 52 take the road from flannel.1.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1450
//!   table 52: the others' pod CIDRs dev tailscale0, before flannel's routes in main
//!   lima0 192.168.105.a      lima0 192.168.105.b      lima0 192.168.105.c      1500
//!   =====+========================+========================+=======  vmnet, router .1
//!   eth0 192.168.5.15 on every node, each behind a gateway of its own
//! ```
//!
//! Seen: pods still make packets of 1450 bytes, which tailscale0 does not take; the first ones of a
//! connection are answered by ICMP. What arrives has cni0's address as its source
//! (`--snat-subnet-routes` is on, as it is unless told otherwise).
//!
//! tailscaled would also take addresses of the pod network for its peers' endpoints; a rule for its
//! mark keeps it on lima0. What happens without it is [`super::s6b`].

use super::paths::Views;
use super::signs::{as_expected, leaves, neighbour, never_leaves};
use super::tunnel_signs::{all_reached, is_direct_at, taken_by_tailnet};
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::{Backend, NETWORK};
use crate::real::layout::Layout;
use crate::real::steering::Sources;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S6: Scenario = Scenario {
    id: "S6",
    title: "accepted pod routes take the road between neighbours",
    layout: || Layout::vmnet(&["peer", "peer", "peer"]),
    build: |lab| {
        keep_off_pods(lab)?;
        share(lab)?;
        on_vmnet(lab)
    },
    undo: Some(undo),
    paths: |lab| {
        let views = Views {
            intended: "vxlan-vmnet",
            configured: "tailscale-subnet",
            observed: "tailscale-subnet-direct",
            encap: "wireguard",
        };
        Expected::everywhere(lab, views)
    },
    signs,
    finding: Some(Finding {
        cause: "shadowed_by_table_52",
        fix: "rule-below-5270",
        by: &[],
        beside: &[],
    }),
};

/// VXLAN on the vmnet, and routes of the tailnet to the same pods.
pub(super) fn share(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "lima0")?;
    lab.share_pods(Sources::Masqueraded)?;
    lab.await_pod_roads("tailscale0")
}

/// The tunnel never goes through the pod network.
pub(super) fn keep_off_pods(lab: &RealLab) -> Result<(), LabError> {
    let pods = format!("ip daddr {NETWORK}");
    lab.on_every_node(|node| lab.keep_tunnel_from(node, &pods))
}

/// Waits until the tunnel goes by lima0.
pub(super) fn on_vmnet(lab: &RealLab) -> Result<(), LabError> {
    lab.await_endpoints("at lima0", |other, address| {
        other.address_of("lima0") == Some(address)
    })
}

/// A rule before 5270 gives the pods back to the main table.
pub(super) fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.on_every_node(|node| lab.prefer_main(node, NETWORK))?;
    lab.await_pod_roads("flannel.1")?;
    lab.await_talking()
}

/// Pods' packets go into the tunnel and leave as WireGuard by the very wire that flannel would use.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = taken(evidence)?;
    signs.extend(all_reached(evidence, "at lima0", |_, other, mode| {
        is_direct_at(mode, other.address_of("lima0").as_slice())
    })?);
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "lima0", Kind::WireGuard));
        signs.push(never_leaves(evidence, node, "lima0", Kind::Vxlan));
    }
    Ok(signs)
}

/// All is answered, and the tailnet takes what pods send to neighbours.
pub(super) fn taken(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(taken_by_tailnet(evidence, &path)?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::Pods));
        for other in node.others(lab.plan()) {
            signs.push(neighbour(evidence, node, other, "lima0")?);
        }
    }
    Ok(signs)
}
