//! H8, healthy: two nodes whose tunnels go through a peer relay, on purpose.
//!
//! ```text
//!   pods 10.42.A.x              pods 10.42.B.x          eth0, cni0, flannel.1: 1230
//!   flannel.1 10.42.A.0         flannel.1 10.42.B.0
//!   tailscale0 100.a            tailscale0 100.b        1280, VXLAN udp/8472
//!   eth0 10.P.p.a               eth0 10.Q.q.b           1500
//!        |   \__ Geneve udp/40000 __ relay __ Geneve __/ |
//!     10.P.p.1 ------------ 10.R.r.x:40000 ---------- 10.Q.q.1
//!        router (np-h8-wan): forwards, but drops UDP from node to node
//! ```
//!
//! H8c has a third node, far, which both reach directly: the one with a role of its own.

use super::{Sketch, s1d, s5, site};
use crate::lab::deal::Deal;
use crate::lab::topology::{Mode, Role};

/// The sketch of H8.
pub(super) fn sketch(deal: &mut Deal) -> Sketch {
    s5::relayed(deal, Mode::PeerRelay)
}

/// The sketch of H8c.
pub(super) fn with_a_third(deal: &mut Deal) -> Sketch {
    let mut sketch = s1d::sketch(deal);
    sketch.segments.push(site(4, deal));
    for node in sketch.nodes.iter_mut().skip(2) {
        node.role = Role::Far;
    }
    Sketch {
        mode: Mode::PeerRelay,
        parted: |from, to| from != Role::Far && to != Role::Far,
        ..sketch
    }
}
