//! S6c, fault: one node offers the LAN's prefix to the tailnet and a neighbour accepts it. The prefix
//! holds the addresses of VTEPs, so the taker's VXLAN for its neighbours enters tailscale0.
//!
//! ```text
//!   giver (offers 192.168.L.0/24)     taker (accepts it)     neighbour
//!   eth0 192.168.L.a                  eth0 192.168.L.b       eth0 192.168.L.c
//!   =====+=============================+======================+=======  lan, router .1
//! ```
//!
//! Of what the taker sends nothing arrives, whoever it is for: as WireGuard it goes to the giver, whose
//! tailscaled drops a source that is not in the taker's `AllowedIPs`; in tailscale0 that source is the
//! LAN's. What the others send to the taker arrives, and its answers go the same way to nowhere. The
//! giver and the neighbour notice nothing of it between them.

use super::paths::{Outcome, Views};
use super::signs::{answered, leaves, never_leaves};
use super::tunnel_signs::address_taken;
use super::{Expected, Finding, Scenario, s6};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::steering::Sources;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S6C: Scenario = Scenario {
    id: "S6c",
    title: "an accepted LAN prefix takes VXLAN between neighbours",
    layout: || Layout::lan(&["giver", "taker", "neighbour"]),
    build,
    undo: Some(undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "shadowed_by_table_52",
        fix: "withdraw-prefix",
        by: &[],
        beside: &[],
    }),
};

fn build(lab: &RealLab) -> Result<(), LabError> {
    s6::keep_off_pods(lab)?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    let (giver, taker) = (lab.role("giver")?, lab.role("taker")?);
    let prefix: Vec<String> = giver.network_of("eth0").into_iter().collect();
    lab.advertise(giver, &prefix)?;
    lab.accept(taker, Sources::Masqueraded, &prefix)?;
    await_vtep_roads(lab, "tailscale0")
}

/// The prefix is withdrawn.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.withdraw(lab.role("giver")?)?;
    await_vtep_roads(lab, "eth0")?;
    lab.await_talking()
}

/// Waits until the taker's VXLAN goes by this device.
fn await_vtep_roads(lab: &RealLab, device: &str) -> Result<(), LabError> {
    let taker = lab.role("taker")?;
    let mut vteps = taker
        .others(lab.plan())
        .filter_map(|own| own.address_of("eth0"));
    vteps.try_for_each(|vtep| lab.await_road(&taker.name, vtep, device))
}

fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let plain = Views::agreed("vxlan-lan", "vxlan");
    let taken = Views {
        configured: "vxlan-tailscale",
        observed: "vxlan-tailscale-direct",
        encap: "wireguard>vxlan",
        ..plain
    };
    let mut paths = Vec::new();
    for node in &lab.plan().nodes {
        for other in node.others(lab.plan()) {
            let views = if node.role == "taker" { taken } else { plain };
            let path = Expected::between(lab, node, other, views)?;
            let ends = [node.role, other.role];
            paths.push(if ends.contains(&"taker") {
                path.with_outcome(Outcome::NoReply)
            } else {
                path
            });
        }
    }
    Ok(paths)
}

/// The taker's VXLAN enters the tunnel though the LAN would do, and only what it has no part in is
/// answered.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let taker = lab.role("taker")?;
    let mut signs = Vec::new();
    for path in (lab.scenario().paths)(lab)? {
        signs.push(answered(evidence, &path)?);
    }
    signs.push(leaves(evidence, taker, "tailscale0", Kind::Vxlan));
    signs.push(never_leaves(evidence, taker, "eth0", Kind::Vxlan));
    for other in taker.others(lab.plan()) {
        signs.push(address_taken(evidence, taker, other, "eth0")?);
        signs.push(leaves(evidence, other, "eth0", Kind::Vxlan));
        signs.push(never_leaves(evidence, other, "tailscale0", Kind::Vxlan));
    }
    Ok(signs)
}
