//! S4a, fault: flannel has moved from tailscale0 to the LAN, but on one node a pod from before keeps
//! the bridge at the MTU of then: a bridge has the lowest MTU of its ports.
//!
//! ```text
//!   stale                               peer                     peer
//!   pod a 1450, pod b 1230              pods a, b 1450           pods a, b 1450
//!   cni0 1230, flannel.1 1450           cni0, flannel.1 1450     cni0, flannel.1 1450
//!   eth0 192.168.L.a                    eth0 192.168.L.b         eth0 192.168.L.c      1500
//!   =====+===================================+========================+=======  lan
//! ```
//!
//! Full packets to pod a of the stale node come out of flannel.1 and do not fit into cni0: its node
//! drops them while forwarding and tells the sender (ICMP 3/4, MTU 1230, from flannel.1's address),
//! which then sends smaller ones and remembers for ten minutes. In the other direction nothing is
//! wrong: a bridge takes from its ports what comes.

use super::paths::Views;
use super::signs::{as_expected, grows, has_mtu, road};
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S4A: Scenario = Scenario {
    id: "S4a",
    title: "the bridge of a node still has the MTU of tailscale0",
    layout: || Layout::lan(&[STALE, "peer", "peer"]).with_pods(2),
    build,
    undo: Some(undo),
    paths: |lab| Expected::everywhere(lab, Views::agreed("vxlan-lan", "vxlan")),
    signs,
    finding: Some(Finding {
        cause: "stale_mtu",
        fix: "cni0-mtu",
        // The stale node by its drops, the others by what it tells their pods.
        by: &[],
        beside: &[],
    }),
};

/// The node with something from before.
pub(super) const STALE: &str = "stale";
/// MTU of pods on the LAN.
pub(super) const WHOLE: u32 = 1450;
/// MTU of pods on tailscale0.
pub(super) const FORMER: u32 = 1230;

/// All that was made on tailscale0 is made again on the LAN, but one pod.
fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "tailscale0")?;
    lab.on_every_node(|node| {
        lab.move_flannel(node, "eth0")?;
        match node.pods.split_last() {
            Some((_, renewed)) if node.role == STALE => lab.recreate(node, renewed),
            _ => lab.recreate_pods(node),
        }
    })?;
    lab.await_overlay()
}

/// The bridge gets the MTU of the LAN by hand; the old pod's port still has its own.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.plan()
        .of_role(STALE)
        .try_for_each(|node| lab.set_mtu(&node.name, "cni0", WHOLE))?;
    lab.await_everyone()
}

/// The stale node refuses to forward what is long, and says so. That TCP gets through is due to this.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &lab.plan().nodes {
        let is_stale = node.role == STALE;
        signs.push(has_mtu(&node.name, "flannel.1", WHOLE)?);
        signs.push(has_mtu(
            &node.name,
            "cni0",
            if is_stale { FORMER } else { WHOLE },
        )?);
        if is_stale {
            signs.push(grows(evidence, &node.name, "IpFragFails"));
            signs.push(grows(evidence, &node.name, "IcmpOutDestUnreachs"));
        }
    }
    Ok(signs)
}
