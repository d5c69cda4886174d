//! Mixed: one node with three paths at once.
//!
//! ```text
//!   near                       mixed                              far
//!   pods 10.42.A.x             pods 10.42.B.x                     pods 10.42.C.x     all 1230
//!   flannel.1 10.42.A.0        flannel.1 10.42.B.0                flannel.1 10.42.C.0
//!   no `local`: both VTEP addresses answer                        local 100.c
//!   tailscale0 100.a           tailscale0 100.b                   tailscale0 100.c   1280
//!   lima0 192.168.105.a        lima0 192.168.105.b                -                  1500
//!   eth0 10.P.p.a              eth0 10.Q.q.b                      eth0 10.R.r.c      1500
//!
//!   near  <-> mixed  pods: VXLAN on the vmnet (lima0)
//!   mixed <-> far    pods: VXLAN over tailscale0; WireGuard by eth0 through the router
//!   near  <-> far    pods: as mixed <-> far
//!   near  <-> mixed  nodes, 100.a <-> 100.b: WireGuard on the vmnet
//! ```
//!
//! The pod MTU is that of the narrowest road, as flannel's setting `MTU` would give it.

use super::{NodeSketch, Sketch, Wire, site, vmnet};
use crate::lab::deal::Deal;
use crate::lab::topology::{Role, TUNNEL, TUNNEL_MTU, VXLAN_OVERHEAD};

/// The sketch of the mixed node.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    let mut segments: Vec<_> = (1..=3).map(|number| site(number, deal)).collect();
    segments.push(vmnet());
    let on_vmnet = |role, number: u8| NodeSketch {
        role,
        wires: vec![
            Wire::new("eth0", &format!("site{number}"), Some(100)),
            Wire::new("lima0", "vmnet", None),
        ],
        flannel_device: "lima0",
        flannel_local: false,
        pod_mtu: TUNNEL_MTU - VXLAN_OVERHEAD,
    };
    let far = NodeSketch {
        role: Role::Far,
        wires: vec![Wire::new("eth0", "site3", Some(100))],
        flannel_device: TUNNEL,
        flannel_local: true,
        pod_mtu: TUNNEL_MTU - VXLAN_OVERHEAD,
    };
    let nodes = vec![on_vmnet(Role::Mixed, 1), on_vmnet(Role::Near, 2), far];
    Sketch::new(segments, nodes, |from, to| {
        if from == Role::Far || to == Role::Far {
            (TUNNEL, "eth0")
        } else {
            ("lima0", "lima0")
        }
    })
}
