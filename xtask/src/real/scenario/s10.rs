//! S10, fault: tailscaled of a node was restarted under flannel. flannel.1 went with tailscale0;
//! flanneld has made it again, but not its routes.
//!
//! ```text
//!   restarted                peer                     peer
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1230
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan, router .1
//!
//!   restarted -> peer   by the default route, unencrypted, to the router, which has no route to pods
//!   peer -> restarted   arrives at flannel.1, which has another hardware address than peers know
//! ```
//!
//! The device is back after 6 to 7 s, and without routes, neighbours and forwarding entries for good.

use super::paths::cut_off;
use super::signs::{as_expected, leaves, road};
use super::{Expected, Finding, Scenario, s1};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S10: Scenario = Scenario {
    id: "S10",
    title: "tailscaled restarted under flannel",
    layout: || Layout::lan(&[RESTARTED, "peer", "peer"]),
    build,
    undo: Some(undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "missing_route",
        fix: "restart-k3s",
        by: &[],
        beside: &[s1::FINDING],
    }),
};

/// The node whose tailscaled was restarted.
const RESTARTED: &str = "restarted";

fn build(lab: &RealLab) -> Result<(), LabError> {
    s1::build(lab)?;
    lab.await_everyone()?;
    let node = lab.role(RESTARTED)?;
    lab.restart_tailscaled(node)?;
    lab.await_link(node, "flannel.1")
}

/// flanneld is restarted, as it is inside k3s.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.restart_flannel(lab.role(RESTARTED)?, "tailscale0")?;
    lab.await_everyone()
}

/// The node has only its default route; what comes to it has the former hardware address.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Expected::everywhere(lab, s1::VIEWS)?;
    cut_off(&mut paths, lab.role(RESTARTED)?, |path| {
        path.configured = "external";
        path.observed = Some("external");
        path.encap = "none";
    });
    Ok(paths)
}

/// The default route takes pods' packets out of the node as they are; others send into flannel.1.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let node = lab.role(RESTARTED)?;
    let mut signs = as_expected(evidence)?;
    for path in paths(lab)? {
        let device = if path.node == node.name {
            "eth0"
        } else {
            "flannel.1"
        };
        signs.push(road(evidence, &path, device)?);
    }
    signs.push(leaves(evidence, node, "eth0", Kind::Pods));
    Ok(signs)
}
