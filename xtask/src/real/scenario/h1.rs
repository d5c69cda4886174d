//! H1, healthy: host-gw on a LAN, where the neighbours' pod CIDRs are plain routes by eth0.
//!
//! ```text
//!   pods, cni0               pods, cni0               pods, cni0               1500
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan, router .1
//!   no flannel.1; tailscale0 idle
//! ```

use super::paths::Views;
use super::signs::{as_expected, leaves, never_leaves, road};
use super::{Expected, Scenario};
use crate::real::RealError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;

/// The scenario.
pub(super) const H1: Scenario = Scenario {
    id: "H1",
    title: "host-gw on a LAN",
    layout: || Layout::lan(&["peer", "peer", "peer"]),
    build: |lab| lab.pod_network(Backend::HostGw, |_| "eth0"),
    undo: None,
    paths: |lab| Expected::everywhere(lab, Views::agreed("lan-direct", "none")),
    signs,
    finding: None,
};

/// Pods' packets leave by the LAN as they are.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "eth0")?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "eth0", Kind::Pods));
        signs.push(never_leaves(evidence, node, "eth0", Kind::Vxlan));
        signs.push(never_leaves(evidence, node, "tailscale0", Kind::Pods));
    }
    Ok(signs)
}
