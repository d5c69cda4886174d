//! H2v6, healthy: H2 with pods of both address families, each with a VXLAN device of its own.
//!
//! ```text
//!   pods 10.42.A.x and 2001:cafe:42:A::x     eth0, cni0: 1450
//!   flannel.1    10.42.A.0                   1450, VXLAN in IPv4 between 192.168.105.x
//!   flannel-v6.1 2001:cafe:42:A::            1430, VXLAN in IPv6 between fd00:192:168:105::x
//!   lima0 192.168.105.a, fd00:192:168:105::a 1500
//!   =====+===== vmnet, router .1 and ::1
//! ```
//!
//! flannel asks for 1450 on both devices; over IPv6 VXLAN takes 70 bytes and the kernel grants 1430.
//! So a pod's first full IPv6 packet comes back as too big, and the pod remembers 1430.

use super::{Sketch, h2};

/// The sketch of H2v6.
pub(super) fn sketch() -> Sketch {
    h2::sketch().dual_stack()
}
