//! H2, healthy: VXLAN on the vmnet that three Lima guests share.
//!
//! ```text
//!   pods 10.42.A.x        pods 10.42.B.x        pods 10.42.C.x      eth0, cni0, flannel.1: 1450
//!   cni0 10.42.A.1        cni0 10.42.B.1        cni0 10.42.C.1
//!   flannel.1 10.42.A.0   flannel.1 10.42.B.0   flannel.1 10.42.C.0
//!   lima0 192.168.105.a   lima0 192.168.105.b   lima0 192.168.105.c   1500, VXLAN udp/8472
//!   =====+=====================+=====================+========= vmnet 192.168.105.0/24
//!        router 192.168.105.1 (np-h2-wan)
//!   eth0  192.168.5.15 on every node: Lima's user-mode network, leads nowhere
//!   tailscale0 100.x: WireGuard between the lima0 addresses, carries node traffic only
//! ```

use std::net::Ipv4Addr;

use super::{NodeSketch, Sketch, Wire, vmnet};
use crate::lab::topology::{Role, Segment, SegmentKind, VXLAN_OVERHEAD, WIRE_MTU};

/// The sketch of H2.
pub(super) fn sketch() -> Sketch {
    let guest = || NodeSketch {
        role: Role::Member,
        wires: vec![
            Wire::new("lima0", "vmnet", Some(100)),
            Wire {
                address: Some(Ipv4Addr::new(192, 168, 5, 15)),
                ..Wire::new("eth0", "user", Some(200))
            },
        ],
        flannel_device: "lima0",
        flannel_local: true,
        pod_mtu: WIRE_MTU - VXLAN_OVERHEAD,
    };
    let user = Segment {
        name: "user".into(),
        kind: SegmentKind::Isolated,
        gateway: Ipv4Addr::new(192, 168, 5, 2),
        prefix: 24,
        gateway_six: None,
    };
    let nodes = (0..3).map(|_| guest()).collect();
    Sketch::new(vec![vmnet(), user], nodes, |_, _| ("lima0", "lima0"))
}
