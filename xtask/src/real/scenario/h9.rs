//! H9, healthy: two pods with plain WireGuard between them, as VPN clients have it. Their datagrams
//! take the road of all pods and look like Tailscale's, but nothing discovers anything there.
//!
//! ```text
//!   pod a, ordinary; pod b, wg0 10.9.0.1 ----- WireGuard, udp/51820 ----- pod b, wg0 10.9.0.2
//!   flannel.1, 1450          flannel.1, 1450          flannel.1, 1450
//!   =====+========================+========================+=======  lan, router .1
//! ```

use std::net::Ipv4Addr;

use super::paths::Views;
use super::signs::{as_expected, leaves, never_leaves, road};
use super::{Expected, Scenario};
use crate::lab::LabError;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::Node;
use crate::real::vpn::{self, End};
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const H9: Scenario = Scenario {
    id: "H9",
    title: "plain WireGuard between two pods",
    layout: || Layout::lan(&["client", "server", "peer"]).with_pods(2),
    build,
    undo: None,
    paths,
    signs,
    finding: None,
};

/// The road of pods' packets.
const ROAD: Views = Views::agreed("vxlan-lan", "vxlan");

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    // 1450 of the pods without the header, 60 bytes, of WireGuard over IPv4.
    vpn::connect(lab, ends(lab)?.map(|(_, end)| end), 1390)
}

/// The pods at both ends of the tunnel, client first, with their nodes.
fn ends(lab: &RealLab) -> Result<[(&Node, End<'_>); 2], LabError> {
    let end = |role, last| -> Result<_, LabError> {
        let node = lab.role(role)?;
        let pod = node.pods.last().map_or("", String::as_str);
        let address = Ipv4Addr::new(10, 9, 0, last);
        Ok((node, End { pod, address }))
    };
    Ok([end("client", 1)?, end("server", 2)?])
}

fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Expected::everywhere(lab, ROAD)?;
    let [client, server] = ends(lab)?;
    for ((node, from), (_, to)) in [(client, server), (server, client)] {
        let path = Expected::of_pods(lab, (node, from.pod), to.pod, ROAD)?;
        paths.push(path.within(from.address, to.address));
    }
    Ok(paths)
}

/// WireGuard of pods, without a mark, passes flannel.1 and leaves as VXLAN; nothing enters the tunnel.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for (node, _) in ends(lab)? {
        signs.push(leaves(evidence, node, "flannel.1", Kind::WireGuard));
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "eth0", Kind::Vxlan));
        signs.push(never_leaves(evidence, node, "eth0", Kind::MarkedVxlan));
        signs.push(never_leaves(evidence, node, "eth0", Kind::Fragments));
        signs.push(never_leaves(evidence, node, "tailscale0", Kind::Vxlan));
    }
    Ok(signs)
}
