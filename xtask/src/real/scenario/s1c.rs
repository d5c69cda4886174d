//! S1c, fault: VXLAN over tailscale0 on all nodes, two of which are neighbours on a LAN. The flannel
//! interface of a node is one for all peers: moving the neighbours to eth0 would cut off the remote
//! node.
//!
//! ```text
//!   neighbour                neighbour                remote
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1230
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 10.x.y.c            1500
//!   =====+========================+====== lan         ====+===== remote
//!        +------------------------------------------------+      router
//! ```

use super::signs::neighbour;
use super::tunnel_signs::behind_router;
use super::{Expected, Finding, Scenario, s1};
use crate::lab::LabError;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::{Backend, NETWORK};
use crate::real::layout::Layout;
use crate::real::steering::Sources;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S1C: Scenario = Scenario {
    id: "S1c",
    title: "VXLAN over tailscale0 between neighbours and a remote node",
    layout: || Layout::lan(&[NEIGHBOUR, NEIGHBOUR]).with_remote("remote"),
    build: s1::build,
    undo: Some(undo),
    paths: |lab| Expected::everywhere(lab, s1::VIEWS),
    signs,
    finding: Some(Finding {
        cause: "double_encapsulation",
        fix: "subnet-routes-remote",
        by: &[NEIGHBOUR],
        beside: &[],
    }),
};

/// The nodes on the LAN.
const NEIGHBOUR: &str = "neighbour";

/// Pod CIDRs become subnet routes, for the way to and from the remote node; flannel moves to the LAN,
/// and a rule before table 52 keeps the neighbours' packets there.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.remove_pod_network()?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    lab.on_every_node(|node| lab.keep_tunnel_from(node, &format!("ip daddr {NETWORK}")))?;
    for node in lab.plan().of_role(NEIGHBOUR) {
        for other in lab.plan().of_role(NEIGHBOUR) {
            if other.name != node.name {
                lab.prefer_main(node, &other.pod_cidr())?;
            }
        }
    }
    lab.share_pods(Sources::Kept)?;
    lab.await_everyone()
}

/// As S1, and the neighbours have each other on the link but not the remote node.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = s1::in_tunnel(evidence)?;
    for node in &lab.plan().nodes {
        for other in node.others(lab.plan()) {
            let are_neighbours = [node, other].iter().all(|own| own.role == NEIGHBOUR);
            signs.push(if are_neighbours {
                neighbour(evidence, node, other, "eth0")?
            } else {
                behind_router(evidence, node, other)?
            });
        }
    }
    Ok(signs)
}
