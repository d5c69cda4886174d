//! H2, healthy: VXLAN on Lima's shared network.
//!
//! ```text
//!   pods, cni0, flannel.1    pods, cni0, flannel.1    pods, cni0, flannel.1    1450
//!   lima0 192.168.105.a      lima0 192.168.105.b      lima0 192.168.105.c      1500
//!   =====+========================+========================+=======  vmnet, router .1
//!   eth0 192.168.5.15 on every node, each behind a gateway of its own; tailscale0 idle
//! ```

use super::paths::Views;
use super::{Expected, Scenario};
use crate::real::flannel::Backend;
use crate::real::layout::Layout;

/// The scenario.
pub(super) const H2: Scenario = Scenario {
    id: "H2",
    title: "VXLAN on the vmnet",
    layout: || Layout::vmnet(&["peer", "peer", "peer"]),
    build: |lab| lab.pod_network(Backend::Vxlan, |_| "lima0"),
    undo: None,
    paths: |lab| Expected::everywhere(lab, Views::agreed("vxlan-vmnet", "vxlan")),
    finding: None,
};
