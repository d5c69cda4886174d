//! S5, fault: two nodes do not reach each other by UDP, and their tunnels go through a DERP relay.
//!
//! ```text
//!   pods 10.42.A.x              pods 10.42.B.x          eth0, cni0, flannel.1: 1230
//!   flannel.1 10.42.A.0         flannel.1 10.42.B.0
//!   tailscale0 100.a            tailscale0 100.b        1280, VXLAN udp/8472
//!   eth0 10.P.p.a               eth0 10.Q.q.b           1500; and 192.168.5.15 on both, as Lima's
//!        |   \__ TCP, mark 0x80000 __ relay __ TCP __/   |
//!     10.P.p.1 ------------ 10.R.r.x:443 ------------ 10.Q.q.1
//!        router (np-s5-wan): forwards, but drops UDP from node to node
//! ```
//!
//! A `WireGuard` datagram of N bytes is N + 37 bytes of the TCP stream, without TLS.

use super::{Sketch, s1d};
use crate::lab::deal::Deal;
use crate::lab::topology::Mode;

/// The sketch of S5.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    relayed(deal, Mode::Derp)
}

/// Two nodes of S1d, and a relay in the place of the third.
pub(super) fn relayed(deal: &mut Deal, mode: Mode) -> Sketch {
    let mut sketch = s1d::sketch(deal);
    sketch.nodes.truncate(2);
    Sketch { mode, ..sketch }
}
