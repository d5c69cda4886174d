//! S9, fault: flannel of some nodes is on tailscale0, that of the others on the LAN.
//!
//! ```text
//!   tailnet                  lan                      lan
//!   pods, cni0 1230          pods, cni0 1450          pods, cni0 1450
//!   flannel.1 on tailscale0  flannel.1 on eth0        flannel.1 on eth0
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan, router .1
//!
//!   tailnet -> lan   plain VXLAN on eth0 from 100.a; the receiver's tailscaled drops tailnet addresses
//!                    that do not come by tailscale0 (chain ts-input)
//!   lan -> tailnet   VXLAN from 192.168.L.b enters tailscale0 and goes by WireGuard; nothing comes out
//!                    of the receiver's tailscale0, as the source is not among the sender's AllowedIPs
//! ```
//!
//! Neither loss is in a counter of tailscaled's; the second is in none at all. There are two nodes of
//! each kind, and equals reach each other.

use super::paths::{Outcome, Views};
use super::signs::{as_expected, leaves, road};
use super::{Expected, Finding, Scenario, s1};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::Node;
use crate::real::tailscaled::Reach;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S9: Scenario = Scenario {
    id: "S9",
    title: "flannel on tailscale0 here, on the LAN there",
    layout: || Layout::lan(&[TAILNET, TAILNET, LAN, LAN]),
    build,
    undo: Some(s1::undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "asymmetric_path",
        fix: "same-interface",
        by: &[],
        beside: &[s1::FINDING],
    }),
};

/// The nodes with flannel on tailscale0.
const TAILNET: &str = "tailnet";
/// The others.
const LAN: &str = "lan";

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, device)?;
    lab.await_overlay()?;
    lab.await_mesh(Reach::Direct)
}

fn device(node: &Node) -> &'static str {
    if node.role == TAILNET {
        "tailscale0"
    } else {
        "eth0"
    }
}

/// The road is that of the receiver's address; what changes over on its way is not answered.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Vec::new();
    for from in &lab.plan().nodes {
        for to in lab.plan().nodes.iter().filter(|to| to.name != from.name) {
            let views = if to.role == TAILNET {
                s1::VIEWS
            } else {
                Views::agreed("vxlan-lan", "vxlan")
            };
            let path = Expected::between(lab, from, to, views)?;
            paths.push(if from.role == to.role {
                path
            } else {
                path.with_outcome(Outcome::NoReply)
            });
        }
    }
    Ok(paths)
}

/// VXLAN leaves every node by both devices, and by one of them with the address of the other.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let mut signs = as_expected(evidence)?;
    for path in paths(evidence.lab())? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &evidence.lab().plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::Vxlan));
        let kind = if node.role == TAILNET {
            Kind::TailnetVxlan
        } else {
            Kind::Vxlan
        };
        signs.push(leaves(evidence, node, "eth0", kind));
    }
    Ok(signs)
}
