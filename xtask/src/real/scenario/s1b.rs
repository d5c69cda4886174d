//! S1b, fault: as S1, and flannel.1, bridge and pods have the MTU of a LAN. It comes about when they
//! are made while tailscale0 has 1500, and tailscale0 is made again afterwards.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1450
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan, router .1
//! ```
//!
//! Every full packet of a pod becomes a VXLAN datagram of 1500 bytes, cut at tailscale0 into 1276 and
//! 244 bytes; each piece is a WireGuard datagram of its own.

use super::paths::Cut;
use super::signs::leaves;
use super::{Expected, Finding, Scenario, s1};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::layout::Layout;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S1B: Scenario = Scenario {
    id: "S1b",
    title: "VXLAN over tailscale0 with the MTU of a LAN",
    layout: || Layout::lan(&["peer", "peer", "peer"]),
    build,
    undo: Some(undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "outer_fragmentation",
        fix: "mtu-ladder",
        by: &[],
        beside: &[s1::FINDING],
    }),
};

/// MTU of tailscale0 while the pod network is made.
const FORMER: u32 = 1500;
/// MTU that tailscaled gives its device.
const TUNNEL: u32 = 1280;
/// What fits into it with VXLAN around.
const FITTING: u32 = TUNNEL - 50;

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.on_every_node(|node| lab.set_mtu(&node.name, "tailscale0", FORMER))?;
    s1::build(lab)?;
    lab.on_every_node(|node| lab.set_mtu(&node.name, "tailscale0", TUNNEL))
}

/// From the outside in: flannel.1, the bridge, the pods. flanneld is asked first what new pods get;
/// it keeps its device as it is.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.on_every_node(|node| {
        lab.restart_flannel(node, "tailscale0")?;
        lab.set_mtu(&node.name, "flannel.1", FITTING)?;
        lab.set_mtu(&node.name, "cni0", FITTING)?;
        lab.recreate_pods(node)
    })?;
    lab.await_everyone()
}

fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let paths = Expected::everywhere(lab, s1::VIEWS)?.into_iter();
    Ok(paths.map(|path| path.with_cut(Cut::Vxlan)).collect())
}

/// As S1, and VXLAN enters the tunnel in pieces.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let mut signs = s1::signs(evidence)?;
    for node in &evidence.lab().plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::CutVxlan));
    }
    Ok(signs)
}
