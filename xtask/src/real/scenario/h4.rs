//! H4, healthy: sites that share no network, pods by subnet routes of the tailnet, which goes
//! straight. No flannel.1, pods at tailscale0's MTU, sources kept (`--snat-subnet-routes=false`).
//!
//! ```text
//!   pods, cni0               pods, cni0               pods, cni0               1280
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 10.a.0.x            eth0 10.b.0.x            eth0 10.c.0.x            1500
//!   -----+----------- router ------+----------- router ------+------
//! ```
//!
//! What is intended is what a cluster's flannel says of such nodes (VXLAN, with the address of eth0);
//! no flanneld runs here to say it.

use std::time::Duration;

use super::paths::Views;
use super::signs::{as_expected, leaves, never_leaves};
use super::tunnel_signs::{all_reached, behind_router, quick, taken_by_tailnet};
use super::{Expected, Scenario};
use crate::lab::LabError;
use crate::oracle::Mode;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::layout::Layout;
use crate::real::steering::Sources;
use crate::real::tailscaled::Reach;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const H4: Scenario = Scenario {
    id: "H4",
    title: "remote sites by subnet routes",
    layout: || Layout::sites(&["site", "site", "site"]),
    build,
    undo: None,
    paths: |lab| {
        let views = Views {
            intended: "vxlan-lan",
            ..ROUTED
        };
        Expected::everywhere(lab, views)
    },
    signs,
    finding: None,
};

/// Pods by routes of the tailnet.
pub(super) const ROUTED: Views = Views {
    observed: "tailscale-subnet-direct",
    ..Views::agreed("tailscale-subnet", "wireguard")
};

/// Pods without flannel, and routes to them.
pub(super) fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.bare_pods(1280)?;
    lab.share_pods(Sources::Kept)?;
    lab.await_pod_roads("tailscale0")?;
    lab.await_mesh(Reach::Direct)
}

/// Nothing is far away.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = routed(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(quick(evidence, &path, NEAR)?);
    }
    Ok(signs)
}

/// What the quickest answer from a near site takes, at most.
pub(super) const NEAR: Duration = Duration::from_millis(10);

/// Pods' packets go into the tunnel, which goes straight to the others behind the router.
pub(super) fn routed(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    signs.extend(all_reached(evidence, "straight", |_, _, mode| {
        matches!(mode, Mode::Direct(_))
    })?);
    for path in (lab.scenario().paths)(lab)? {
        signs.push(taken_by_tailnet(evidence, &path)?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::Pods));
        signs.push(leaves(evidence, node, "eth0", Kind::WireGuard));
        signs.push(never_leaves(evidence, node, "eth0", Kind::Vxlan));
        signs.push(never_leaves(evidence, node, "tailscale0", Kind::Fragments));
        for other in node.others(lab.plan()) {
            signs.push(behind_router(evidence, node, other)?);
        }
    }
    Ok(signs)
}
