//! S6, fault: nodes of one vmnet advertise and accept their pod networks as subnet routes of the
//! tailnet. Table 52 comes before the main one, so that flannel.1 is not the road.
//!
//! ```text
//!   pods 10.42.A.x                           eth0, cni0, flannel.1: 1450
//!   flannel.1 10.42.A.0                      has its routes, and nothing takes them
//!   tailscale0 100.a                         1280, carries pods in plain
//!   lima0 192.168.105.a                      1500, WireGuard udp/41641
//!   =====+===== vmnet 192.168.105.0/24
//! ```
//!
//! S6v6 has pods of both address families, and WireGuard over IPv6:
//!
//! ```text
//!   pods 10.42.A.x and 2001:cafe:42:A::x     table 52 has the networks of both
//!   tailscale0 100.a, fd7a:115c:a1e0:..      1280
//!   lima0 192.168.105.a, fd00:192:168:105::a WireGuard udp/41641 in IPv6
//! ```
//!
//! Pods have 1450 and the tunnel 1280: the first full packet comes back as too big.

use super::{Sketch, h2};
use crate::lab::topology::{Family, Reach};

/// The sketch of S6.
pub(super) fn sketch() -> Sketch {
    Sketch {
        reach: Reach::SubnetRoute,
        ..h2::sketch()
    }
}

/// The sketch of S6v6.
pub(super) fn dual_stack() -> Sketch {
    Sketch {
        outer: Family::Six,
        ..sketch().dual_stack()
    }
}
