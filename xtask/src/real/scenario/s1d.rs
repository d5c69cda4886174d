//! S1d, not a fault but one layer more than needed: VXLAN over tailscale0 between sites that only
//! the tailnet connects.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1230
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 10.p.q.a            eth0 10.r.s.b            eth0 10.t.u.c            1500
//!   ====+===== site1         ====+===== site2         ====+===== site3
//!       +------------------------+-----------------------+        router
//! ```

use super::tunnel_signs::behind_router;
use super::{Expected, Finding, Scenario, s1};
use crate::lab::LabError;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::{Backend, NETWORK};
use crate::real::layout::Layout;
use crate::real::steering::Sources;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S1D: Scenario = Scenario {
    id: "S1d",
    title: "VXLAN over tailscale0 between sites",
    layout: || Layout::sites(&["peer", "peer", "peer"]),
    build: s1::build,
    undo: Some(undo),
    paths: |lab| Expected::everywhere(lab, s1::VIEWS),
    signs,
    finding: Some(Finding {
        cause: "distance",
        fix: "subnet-routes-remote",
        by: &[],
        beside: &[],
    }),
};

/// The pod CIDRs become subnet routes of the tailnet: WireGuard alone carries the pods' packets.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.remove_pod_network()?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    lab.on_every_node(|node| lab.keep_tunnel_from(node, &format!("ip daddr {NETWORK}")))?;
    lab.share_pods(Sources::Kept)?;
    lab.await_everyone()
}

/// As S1, but a router is between all nodes.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = s1::in_tunnel(evidence)?;
    for node in &lab.plan().nodes {
        for other in node.others(lab.plan()) {
            signs.push(behind_router(evidence, node, other)?);
        }
    }
    Ok(signs)
}
