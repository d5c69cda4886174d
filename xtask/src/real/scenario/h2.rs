//! H2, healthy: VXLAN on Lima's shared network.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1450
//!   lima0 192.168.105.a      lima0 192.168.105.b      lima0 192.168.105.c      1500
//!   =====+========================+========================+=======  vmnet, router .1
//!   eth0 192.168.5.15 on every node, each behind a gateway of its own; tailscale0 idle
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
pub(super) const H2: Scenario = Scenario {
    id: "H2",
    title: "VXLAN on the vmnet",
    layout: || Layout::vmnet(&["peer", "peer", "peer"]),
    build: |lab| lab.pod_network(Backend::Vxlan, |_| "lima0"),
    undo: None,
    paths: |lab| Expected::everywhere(lab, Views::agreed("vxlan-vmnet", "vxlan")),
    signs,
    finding: None,
};

/// VXLAN leaves by the vmnet, whole, and never enters the tunnel.
pub(super) fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "lima0", Kind::Vxlan));
        signs.push(never_leaves(evidence, node, "lima0", Kind::Fragments));
        signs.push(never_leaves(evidence, node, "tailscale0", Kind::Vxlan));
    }
    Ok(signs)
}
