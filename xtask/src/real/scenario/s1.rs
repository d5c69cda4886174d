//! S1, fault: VXLAN over tailscale0 (`--flannel-iface`) although all peers are neighbours on a LAN.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1230
//!   tailscale0 100.a         tailscale0 100.b         tailscale0 100.c         1280
//!   eth0 192.168.L.a         eth0 192.168.L.b         eth0 192.168.L.c         1500
//!   =====+========================+========================+=======  lan, router .1
//! ```

use super::paths::Views;
use super::{Expected, Finding, Scenario};
use crate::lab::LabError;
use crate::real::RealLab;
use crate::real::flannel::Backend;
use crate::real::layout::Layout;
use crate::real::tailscaled::Reach;

/// The scenario.
pub(super) const S1: Scenario = Scenario {
    id: "S1",
    title: "VXLAN over tailscale0 between neighbours",
    layout: || Layout::lan(&["peer", "peer", "peer"]),
    build,
    undo: Some(undo),
    paths: |lab| {
        let views = Views {
            observed: "vxlan-tailscale-direct",
            ..Views::agreed("vxlan-tailscale", "wireguard>vxlan")
        };
        Expected::everywhere(lab, views)
    },
    finding: Some(Finding {
        cause: "double_encapsulation",
        fix: "flannel-iface-lan",
    }),
};

/// Pods by VXLAN over the tunnel, which goes straight.
pub(super) fn build(lab: &RealLab) -> Result<(), LabError> {
    lab.pod_network(Backend::Vxlan, |_| "tailscale0")?;
    lab.await_mesh(Reach::Direct)
}

/// Flannel moves to the LAN, and pods are made anew.
pub(super) fn undo(lab: &RealLab) -> Result<(), LabError> {
    lab.remove_pod_network()?;
    lab.pod_network(Backend::Vxlan, |_| "eth0")?;
    lab.await_talking()
}
