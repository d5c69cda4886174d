//! S1, fault: VXLAN over tailscale0 (`--flannel-iface`) although all peers are neighbours on a LAN.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1230
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan, router .1
//! ```

use super::paths::Views;
use super::signs::{as_expected, leaves, neighbour, road};
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::tailscaled::Reach;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S1: Scenario = Scenario {
    id: "S1",
    title: "VXLAN over tailscale0 between neighbours",
    layout: || Layout::lan(&["peer", "peer", "peer"]),
    build,
    undo: Some(undo),
    paths: |lab| Expected::everywhere(lab, VIEWS),
    signs,
    finding: Some(Finding {
        cause: FINDING.0,
        fix: FINDING.1,
        by: &[],
        beside: &[],
    }),
};

/// What is found, also where more is wrong.
pub(super) const FINDING: (&str, &str) = ("double_encapsulation", "flannel-iface-lan");

/// VXLAN over the tunnel, straight.
pub(super) const VIEWS: Views = Views {
    observed: "vxlan-tailscale-direct",
    ..Views::agreed("vxlan-tailscale", "wireguard>vxlan")
};

/// Pods by VXLAN over the tunnel, which goes straight.
pub(super) fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "tailscale0")?;
    lab.await_mesh(Reach::Direct)
}

/// Flannel moves to the LAN, and pods are made anew.
pub(super) fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.remove_pod_network()?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    lab.await_everyone()
}

/// VXLAN enters the tunnel, and tailscaled's packets leave by the LAN that would do alone.
pub(super) fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = in_tunnel(evidence)?;
    for node in &lab.plan().nodes {
        for other in node.others(lab.plan()) {
            signs.push(neighbour(evidence, node, other, "eth0")?);
        }
    }
    Ok(signs)
}

/// VXLAN enters the tunnel, and tailscaled's packets leave by eth0.
pub(super) fn in_tunnel(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::Vxlan));
        signs.push(leaves(evidence, node, "eth0", Kind::WireGuard));
    }
    Ok(signs)
}
