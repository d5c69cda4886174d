//! S5, fault: Lima machines of one host that share no network. UDP between them does not get through,
//! so VXLAN over tailscale0 makes a detour over a distant DERP server: 40 ms held each time that
//! something passes it, and each way passes it twice (in and out).
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1230
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.5.15        eth0 192.168.5.15        eth0 192.168.5.15        1500
//!   gateway of its own       gateway of its own       gateway of its own
//!   -----+-------------- router -----+-------------- router -----+-------  no UDP across
//!                    DERP near, DERP far, 40 ms per passing
//! ```
//!
//! Each machine has the home region it found first, so the two directions of a pair may use different
//! ones. Seen: 162 ms of round trip. Besides, discovery tries the others' addresses in the pod network:
//! VXLAN with tailscaled's mark leaves by eth0 with tailnet addresses, and is lost.

use std::time::Duration;

use super::paths::Views;
use super::signs::{as_expected, leaves, never_leaves, road};
use super::tunnel_signs::{all_reached, slow};
use super::{Expected, Finding, Scenario, s1};
use crate::lab::LabError;
use crate::oracle::Mode;
use crate::real::counters::Kind;
use crate::real::evidence::{Evidence, Sign};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::plan::Node;
use crate::real::relays::{REGIONS, set_delay};
use crate::real::tailscaled::Reach;
use crate::real::{RealError, RealLab};

/// The scenario.
pub(super) const S5: Scenario = Scenario {
    id: "S5",
    title: "machines of one host talk through a distant relay",
    layout: || Layout::vmnet(&["machine", "machine", "machine"]).unplugged("lima0"),
    build,
    undo: Some(undo),
    paths: |lab| {
        let views = Views {
            observed: "vxlan-tailscale-derp",
            ..s1::VIEWS
        };
        Expected::everywhere(lab, views)
    },
    signs,
    finding: Some(Finding {
        cause: "relay_detour",
        fix: "lima-shared-network",
        by: &[],
        beside: &[],
    }),
};

/// What a relay holds.
const DETOUR: Duration = Duration::from_millis(40);

fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.cut_udp(&lab.plan().nodes.iter().collect::<Vec<&Node>>())?;
    for region in REGIONS {
        set_delay(lab, region, DETOUR)?;
    }
    lab.pod_network(Backend::Vxlan, |_| "tailscale0")?;
    lab.await_mesh(Reach::Derp)
}

/// The machines get Lima's shared network, and flannel moves there.
fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.on_every_node(|node| lab.plug_in(node, "lima0"))?;
    lab.remove_pod_network()?;
    lab.pod_network(Backend::Vxlan, |_| "lima0")?;
    lab.await_talking()
}

/// VXLAN enters the tunnel, of which nothing leaves but TCP to a relay; answers come late.
fn signs(evidence: &Evidence<'_>) -> Result<Vec<Sign>, RealError> {
    let lab = evidence.lab();
    let mut signs = as_expected(evidence)?;
    signs.extend(all_reached(evidence, "by a relay", |_, _, mode| {
        matches!(mode, Mode::Derp(_))
    })?);
    for path in (lab.scenario().paths)(lab)? {
        signs.push(road(evidence, &path, "flannel.1")?);
        // Into and out of the relay, there and back.
        signs.push(slow(evidence, &path, 4 * DETOUR)?);
    }
    for node in &lab.plan().nodes {
        signs.push(leaves(evidence, node, "tailscale0", Kind::Vxlan));
        signs.push(leaves(evidence, node, "eth0", Kind::MarkedTcp));
        signs.push(never_leaves(evidence, node, "eth0", Kind::WireGuard));
        signs.push(relayed(evidence, node));
    }
    Ok(signs)
}

/// tailscaled's own counters say that a relay carries what it sends, and nothing else does.
fn relayed(evidence: &Evidence<'_>, node: &Node) -> Sign {
    let sent = |path| {
        let name = "tailscaled_outbound_packets_total";
        evidence.tailscaled(&node.name, name, &[("path", path)])
    };
    let (derp, direct) = (sent("derp"), sent("direct_ipv4"));
    Sign::new(
        format!("tailscaled of {} sends by relays alone", node.name),
        derp > 0 && direct == 0,
        format!("{derp} by relays, {direct} straight"),
    )
}
