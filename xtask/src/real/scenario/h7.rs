//! H7, healthy: pods that talk to a host outside the cluster. flanneld's rules give what leaves the
//! address of the node.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1      1450
//!   eth0 192.168.L.a         eth0 10.x.y.b              1500, masqueraded
//!   =====+=== lan            ====+=== remote
//!        router, which is host 203.0.113.7 too
//! ```

use std::net::Ipv4Addr;

use super::paths::Views;
use super::signs::{as_expected, never_leaves, road};
use super::{Expected, Scenario};
use crate::lab::LabError;
use crate::oracle::Hook;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::INET;
use crate::real::{RealError, RealLab};

/// The host outside, of TEST-NET-3 (RFC 5737).
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// The scenario.
pub(super) const H7: Scenario = Scenario {
    id: "H7",
    title: "pods that talk to a host outside",
    layout: || Layout::lan(&["peer", "peer"]).with_remote("remote"),
    build,
    undo: None,
    paths,
    signs,
    finding: None,
};

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.ip(INET, &[&format!("addr add {OUTSIDE}/32 dev lo")])?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")
}

/// Every pod to the host outside.
fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let views = Views::agreed("external", "none");
    let pods = lab.plan().nodes.iter().flat_map(|node| {
        let pods = node.pods.iter();
        pods.map(move |pod| (node, pod.as_str()))
    });
    pods.map(|pod| Expected::of(lab, pod, (INET.to_owned(), OUTSIDE), views))
        .collect()
}

/// Pods' packets come to the bridge, and leave by eth0 with the node's address.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in paths(lab)? {
        signs.push(road(evidence, &path, "eth0")?);
    }
    for node in &lab.plan().nodes {
        let name = &node.name;
        let packets = evidence.packets(name, "cni0", Hook::Ingress, Kind::PodsOut);
        let claim = format!("pods of {name} send to hosts outside");
        signs.push(Sign::new(claim, packets > 0, format!("{packets} packets")));
        signs.push(never_leaves(evidence, node, "eth0", Kind::PodsOut));
    }
    Ok(signs)
}
