//! S4b, fault: flannel has moved from tailscale0 to the LAN, and on one node bridge and pod were set
//! to the new MTU by hand; the host's end of the pod's veth was forgotten.
//!
//! ```text
//!   stale                               peer                     peer
//!   pod eth0 1450, its port 1230        pod, port 1450           pod, port 1450
//!   cni0 1450, flannel.1 1450           cni0, flannel.1 1450     cni0, flannel.1 1450
//!   eth0 192.168.L.a                    eth0 192.168.L.b         eth0 192.168.L.c      1500
//!   =====+===================================+========================+=======  lan
//! ```
//!
//! Full packets to the pod are dropped by the bridge before its port, those from the pod by the veth
//! before the port receives them: no ICMP, no error of a socket. A segmentation-offload packet may be
//! of any length there, so pods cut by themselves and flannel.1 puts nothing together.

use super::paths::{Outcome, Views};
use super::s4a::{FORMER, STALE, WHOLE};
use super::signs::{as_expected, has_mtu, rests, road};
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S4B: Scenario = Scenario {
    id: "S4b",
    title: "the port of a pod still has the MTU of tailscale0",
    layout: || Layout::lan(&[STALE, "peer", "peer"]),
    build,
    undo: Some(undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "oversize_blackhole",
        fix: "recreate-pods",
        by: &[STALE],
        beside: &[],
    }),
};

/// All that was made on tailscale0 is made again on the LAN, or changed by hand.
fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "tailscale0")?;
    lab.on_every_node(|node| {
        lab.move_flannel(node, "eth0")?;
        if node.role == STALE {
            lab.set_mtu(&node.name, "cni0", WHOLE)?;
            for pod in &node.pods {
                lab.set_mtu(pod, "eth0", WHOLE)?;
            }
        } else {
            lab.recreate_pods(node)?;
        }
        lab.send_single_packets(node)
    })?;
    lab.await_overlay()
}

fn undo(lab: &RealLab) -> Result<(), LabError> {
    for node in lab.plan().of_role(STALE) {
        lab.recreate_pods(node)?;
        lab.send_single_packets(node)?;
    }
    lab.await_everyone()
}

/// Small packets alone pass to and from the stale node.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Expected::everywhere(lab, Views::agreed("vxlan-lan", "vxlan"))?;
    for node in lab.plan().of_role(STALE) {
        for path in &mut paths {
            if path.node == node.name || node.pods.contains(&path.to) {
                path.outcome = Outcome::SmallOnly;
            }
        }
    }
    Ok(paths)
}

/// What is long is lost between bridge and pod, and nobody says so.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in paths(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &lab.plan().nodes {
        signs.push(has_mtu(&node.name, "cni0", WHOLE)?);
        signs.push(rests(evidence, &node.name, "IpFragFails"));
        if node.role == STALE {
            let (pod, _) = lab.pod_of(node)?;
            signs.push(has_mtu(&pod, "eth0", WHOLE)?);
            signs.push(has_mtu(&node.name, &lab.pod(&pod)?.host_veth, FORMER)?);
        }
    }
    Ok(signs)
}
