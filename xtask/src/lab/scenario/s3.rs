//! S3, fault: a node got another address on the LAN, and its peers' forwarding databases still have
//! the old one, which a silent host has by now.
//!
//! ```text
//!   member                  member                  moved
//!   pods 10.42.A.x          pods 10.42.B.x          pods 10.42.C.x         1450
//!   flannel.1 10.42.A.0     flannel.1 10.42.B.0     flannel.1 10.42.C.0
//!   eth0 192.168.L.a        eth0 192.168.L.b        eth0 192.168.L.c       1500, VXLAN udp/8472
//!   =====+=======================+=======================+======== lan 192.168.L.0/24
//!        router 192.168.L.1 (np-s3-wan), which has the old 192.168.L.o too and drops VXLAN there
//!
//!   member -> moved   VXLAN leaves for 192.168.L.o, and nothing comes back
//!   moved -> member   VXLAN arrives; the answer leaves for 192.168.L.o
//! ```

use super::{NodeSketch, Sketch, Wire, lan};
use crate::lab::deal::Deal;
use crate::lab::topology::{Role, VXLAN_OVERHEAD, WIRE_MTU};

/// The sketch of S3.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    let node = |role| NodeSketch {
        role,
        wires: vec![Wire::new("eth0", "lan", Some(100))],
        flannel_device: "eth0",
        flannel_local: true,
        pod_mtu: WIRE_MTU - VXLAN_OVERHEAD,
    };
    let nodes = [Role::Member, Role::Member, Role::Moved].map(node);
    Sketch::new(vec![lan(deal)], nodes.into(), |_, _| ("eth0", "eth0"))
}
