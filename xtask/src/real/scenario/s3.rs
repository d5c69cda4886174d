//! S3, fault: a node got another address on the LAN. flanneld looks at addresses when it starts: the
//! node's own flannel.1 still sends from the old one, and the other nodes' forwarding databases lead
//! to it, where a silent host is by now.
//!
//! ```text
//!   moved                    peer                     peer
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1450
//!   eth0 192.168.L.n         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan
//!        router 192.168.L.1, which is the silent host 192.168.L.o too
//!
//!   peer -> moved   VXLAN leaves for 192.168.L.o, and nothing comes back
//!   moved -> peer   flannel.1 drops it: its own address is no address of the node (TX carrier errors)
//! ```

use std::net::Ipv4Addr;

use super::paths::{Views, cut_off};
use super::signs::{as_expected, leaves, never_leaves, road};
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::{Node, Segment, Wire};
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S3: Scenario = Scenario {
    id: "S3",
    title: "a node with another address than its peers know",
    layout: || Layout::lan(&[MOVED, "peer", "peer"]),
    build,
    undo: Some(undo),
    paths,
    signs,
    finding: Some(Finding {
        cause: "stale_fdb",
        fix: "restart-agent",
        by: &[],
        beside: &[],
    }),
};

/// The node with the new address.
const MOVED: &str = "moved";

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    lab.await_overlay()?;
    let node = lab.role(MOVED)?;
    let (wire, segment) = place(lab)?;
    let free = lab.plan().free_address(segment);
    let free = free.ok_or_else(|| LabError::Options("the LAN is full".into()))?;
    lab.readdress(node, wire, free)?;
    lab.add_silent_host(segment, wire.address)
}

/// flanneld of the moved node is restarted, inside its agent: the others learn the new address.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.move_flannel(lab.role(MOVED)?, "eth0")?;
    lab.await_everyone()
}

/// The wire of the moved node, with the address that it had, and its segment.
fn place(lab: &RealLab) -> Result<(&Wire, &Segment), LabError> {
    let node = lab.role(MOVED)?;
    let wire = node.wires.first();
    let place = wire.and_then(|wire| Some((wire, lab.plan().segment(&wire.segment)?)));
    place.ok_or_else(|| LabError::Options(format!("{} has no wire", node.name)))
}

/// What goes to the moved node or comes from it is lost.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Expected::everywhere(lab, Views::agreed("vxlan-lan", "vxlan"))?;
    cut_off(&mut paths, lab.role(MOVED)?, |path| {
        // It never becomes an outer packet.
        path.observed = Some("unknown");
        path.encap = "-";
    });
    Ok(paths)
}

/// VXLAN for the moved node leaves for its old address, and none leaves the moved node.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let (wire, _) = place(lab)?;
    let mut signs = as_expected(evidence)?;
    for path in paths(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    signs.push(never_leaves(
        evidence,
        lab.role(MOVED)?,
        "eth0",
        Kind::Vxlan,
    ));
    for node in lab.plan().of_role("peer") {
        signs.push(leaves(evidence, node, "eth0", Kind::Vxlan));
        signs.push(forwards(lab, node, wire.address)?);
    }
    Ok(signs)
}

/// The forwarding database of a node leads to this address.
fn forwards(lab: &RealLab, node: &Node, address: Ipv4Addr) -> Result<Sign, RealError> {
    let argv = ["bridge", "fdb", "show", "dev", "flannel.1"];
    let entries = lab.output(&node.name, &argv)?;
    let wanted = format!("dst {address} ");
    Ok(Sign::new(
        format!("flannel.1 of {} sends to {address}", node.name),
        entries.contains(&wanted),
        entries.split_whitespace().collect::<Vec<_>>().join(" "),
    ))
}
