//! S1, fault: flannel is bound to tailscale0 although all peers share one LAN.
//!
//! ```text
//!   pods 10.42.A.x        pods 10.42.B.x        pods 10.42.C.x      eth0, cni0, flannel.1: 1230
//!   cni0 10.42.A.1        cni0 10.42.B.1        cni0 10.42.C.1
//!   flannel.1 10.42.A.0   flannel.1 10.42.B.0   flannel.1 10.42.C.0
//!   tailscale0 100.a      tailscale0 100.b      tailscale0 100.c      1280, VXLAN udp/8472
//!   eth0 192.168.L.a      eth0 192.168.L.b      eth0 192.168.L.c      1500, WireGuard udp/41641
//!   =====+====================+=====================+========== lan 192.168.L.0/24
//!        router 192.168.L.1 (np-s1-wan)
//! ```

use super::{NodeSketch, Sketch, Wire, lan};
use crate::lab::deal::Deal;
use crate::lab::topology::{Role, TUNNEL, TUNNEL_MTU, VXLAN_OVERHEAD};

/// The sketch of S1.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    let member = || NodeSketch {
        role: Role::Member,
        wires: vec![Wire::new("eth0", "lan", Some(100))],
        flannel_device: TUNNEL,
        flannel_local: true,
        pod_mtu: TUNNEL_MTU - VXLAN_OVERHEAD,
    };
    let nodes = (0..3).map(|_| member()).collect();
    Sketch::new(vec![lan(deal)], nodes, |_, _| (TUNNEL, "eth0"))
}
