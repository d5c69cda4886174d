//! S1v6, fault: S1 with pods of both address families, and WireGuard over IPv6.
//!
//! ```text
//!   pods 10.42.A.x and 2001:cafe:42:A::x     eth0, cni0: 1370
//!   flannel.1    10.42.A.0                   1370, VXLAN in IPv4 between 100.x
//!   flannel-v6.1 2001:cafe:42:A::            1350, VXLAN in IPv6 between fd7a:115c:a1e0:..
//!   tailscale0 100.a, fd7a:115c:a1e0:..      1420
//!   eth0 192.168.L.a, fd00:192:168:L::a      1500, WireGuard udp/41641 in IPv6
//!   =====+===== lan, router .1 and ::1
//! ```
//!
//! Tailscale's own MTU of 1280 leaves 1210 bytes for VXLAN over IPv6, and below 1280 the kernel switches
//! IPv6 off (RFC 8200, section 5). So the tunnel is as wide as the wire allows (`TS_DEBUG_MTU=1420`):
//! 1500 less 40 of IPv6, 8 of UDP and 32 of WireGuard.

use super::{Sketch, s1};
use crate::lab::deal::Deal;
use crate::lab::topology::{Family, VXLAN_OVERHEAD};

/// MTU of tailscale0.
const TUNNEL_MTU: u32 = 1420;

/// The sketch of S1v6.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    let mut sketch = Sketch {
        outer: Family::Six,
        tunnel_mtu: TUNNEL_MTU,
        ..s1::sketch(deal).dual_stack()
    };
    for node in &mut sketch.nodes {
        node.pod_mtu = TUNNEL_MTU - VXLAN_OVERHEAD;
    }
    sketch
}
