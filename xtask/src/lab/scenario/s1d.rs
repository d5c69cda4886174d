//! S1d, no fault: flannel on tailscale0 with the right MTU, every peer behind the router.
//!
//! ```text
//!   pods 10.42.A.x        pods 10.42.B.x        pods 10.42.C.x      eth0, cni0, flannel.1: 1230
//!   cni0 10.42.A.1        cni0 10.42.B.1        cni0 10.42.C.1
//!   flannel.1 10.42.A.0   flannel.1 10.42.B.0   flannel.1 10.42.C.0
//!   tailscale0 100.a      tailscale0 100.b      tailscale0 100.c      1280, VXLAN udp/8472
//!   eth0 10.P.p.a         eth0 10.Q.q.b         eth0 10.R.r.c         1500, WireGuard udp/41641
//!        |                     |                     |
//!     10.P.p.1 ------------ 10.Q.q.1 ------------ 10.R.r.1   router (np-s1d-wan), forwards
//! ```

use super::{NodeSketch, Sketch, Wire, site};
use crate::lab::deal::Deal;
use crate::lab::topology::{Role, TUNNEL, TUNNEL_MTU, VXLAN_OVERHEAD};

/// The sketch of S1d.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    let member = |number: u8| NodeSketch {
        role: Role::Member,
        wires: vec![Wire::new("eth0", &format!("site{number}"), Some(100))],
        flannel_device: TUNNEL,
        flannel_local: true,
        pod_mtu: TUNNEL_MTU - VXLAN_OVERHEAD,
    };
    let segments = (1..=3).map(|number| site(number, deal)).collect();
    let nodes = (1..=3).map(member).collect();
    Sketch::new(segments, nodes, |_, _| (TUNNEL, "eth0"))
}
