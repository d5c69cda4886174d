//! H8, healthy: a peer relay chosen on purpose. The ends cannot reach each other by UDP; a third node
//! may relay for them by a grant, and offers to (`--relay-server-port`).
//!
//! ```text
//!   end ----- router --x UDP x-- router ----- end      VXLAN over tailscale0
//!                \                 /
//!                 +--- relay:40000     Geneve around WireGuard, 8 bytes more
//! ```
//!
//! Seen: until both ends use the relay 5 to 15 s pass, in which a DERP server helps.

use super::paths::Views;
use super::signs::{as_expected, leaves, road};
use super::tunnel_signs::all_reached;
use super::{Expected, Scenario, s1};
use crate::lab::LabError;
use crate::oracle::Mode;
use crate::real::control;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::Node;
use crate::real::tailscaled::{self, Reach};
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const H8: Scenario = Scenario {
    id: "H8",
    title: "a peer relay chosen on purpose",
    layout: || Layout::sites(&["end", "end", "relay"]),
    build,
    undo: None,
    paths,
    signs,
    finding: None,
};

/// The port that the relay offers.
const PORT: u16 = 40000;

fn build(lab: &RealLab) -> Result<(), LabError> {
    let ends: Vec<&Node> = lab.plan().of_role("end").collect();
    let relay = lab.role("relay")?;
    lab.cut_udp(&ends)?;
    control::grant_relay(lab, lab.tailnet(&relay.name)?)?;
    let offer = format!("--relay-server-port={PORT}");
    tailscaled::tell(lab, &relay.name, &["set", &offer])?;
    lab.pod_network(Backend::Vxlan, |_| "tailscale0")?;
    lab.on_every_node(|node| {
        let mut others = node.others(lab.plan());
        others.try_for_each(|other| {
            tailscaled::await_reach(lab, &node.name, &other.name, reach(node, other))
        })
    })
}

/// The ends reach each other by the relay, and it reaches them straight.
fn reach(from: &Node, to: &Node) -> Reach {
    if from.role == to.role {
        Reach::PeerRelay
    } else {
        Reach::Direct
    }
}

/// VXLAN over the tunnel, through the relay.
const RELAYED: Views = Views {
    observed: "vxlan-tailscale-peer-relay",
    ..s1::VIEWS
};

fn paths(lab: &RealLab) -> Result<Vec<Expected>, LabError> {
    let mut paths = Vec::new();
    for node in &lab.plan().nodes {
        for other in node.others(lab.plan()) {
            let views = match reach(node, other) {
                Reach::PeerRelay => RELAYED,
                Reach::Derp | Reach::Direct => s1::VIEWS,
            };
            paths.push(Expected::between(lab, node, other, views)?);
        }
    }
    Ok(paths)
}

/// The ends reach each other at the relay's port, and it says that it forwards.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    signs.extend(all_reached(
        evidence,
        "as it should",
        |node, other, mode| match (reach(node, other), mode) {
            (Reach::PeerRelay, Mode::PeerRelay(at)) => at.contains(&format!(":{PORT}:")),
            (Reach::Direct, Mode::Direct(_)) => true,
            _ => false,
        },
    )?);
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::Vxlan));
    }
    let relay = &lab.role("relay")?.name;
    let name = "tailscaled_peer_relay_forwarded_packets_total";
    let forwarded = evidence.tailscaled(relay, name, &[]);
    signs.push(Sign::new(
        format!("tailscaled of {relay} forwards for its peers"),
        forwarded > 0,
        format!("{forwarded} packets"),
    ));
    Ok(signs)
}
