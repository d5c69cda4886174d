//! H6, healthy: pods of one node, whose packets never leave the bridge.
//!
//! ```text
//!   pods a, b, cni0, flannel.1    pods a, b, cni0, flannel.1    1450
//!   eth0 192.168.L.a              eth0 192.168.L.b              1500
//!   =====+=============================+=======  lan, router .1
//!
//!   n1-a <-> n1-b, n2-a <-> n2-b; no packet of a pod is on flannel.1 or eth0
//! ```

use super::paths::Views;
use super::signs::{as_expected, never_leaves, road};
use super::{Expected, Scenario};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const H6: Scenario = Scenario {
    id: "H6",
    title: "pods of one node",
    layout: || Layout::lan(&["peer", "peer"]).with_pods(2),
    build: |lab| lab.pod_network(Backend::Vxlan, |_| "eth0"),
    undo: None,
    paths,
    signs,
    finding: None,
};

/// Every ordered pair of different pods of a node.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let views = Views::agreed("same-node", "none");
    let mut paths = Vec::new();
    for node in &lab.plan().nodes {
        for from in &node.pods {
            for to in node.pods.iter().filter(|to| *to != from) {
                paths.push(Expected::of_pods(lab, (node, from), to, views)?);
            }
        }
    }
    Ok(paths)
}

/// The bridge has all pods, and nothing of them leaves the node.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in paths(lab)? {
        signs.push(road(evidence, &path, "cni0")?);
    }
    for node in &lab.plan().nodes {
        for device in ["flannel.1", "eth0", "tailscale0"] {
            signs.push(never_leaves(evidence, node, device, Kind::Pods));
        }
    }
    Ok(signs)
}
