//! H10, idle: VXLAN between neighbours whose pods send nothing.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    1450
//!   eth0 192.168.L.a         eth0 192.168.L.b         1500
//!   =====+========================+=======  lan, router .1
//! ```

use super::paths::{Outcome, Views};
use super::signs::{never_leaves, road};
use super::{Expected, Scenario};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const H10: Scenario = Scenario {
    id: "H10",
    title: "pods that send nothing",
    layout: || Layout::lan(&["peer", "peer"]),
    build,
    undo: None,
    paths,
    signs,
    finding: None,
};

/// Nobody sends, so only the routes tell that all is there.
fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    lab.await_overlay()
}

fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Expected::everywhere(lab, Views::agreed("vxlan-lan", "vxlan"))?;
    for path in &mut paths {
        path.observed = None;
        path.outcome = Outcome::Idle;
    }
    Ok(paths)
}

/// There is a road, and no pod's packet on it.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let mut signs = Vec::new();
    for path in paths(evidence.lab())? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &evidence.lab().plan().nodes {
        signs.push(never_leaves(evidence, node, "flannel.1", Kind::Pods));
    }
    Ok(signs)
}
