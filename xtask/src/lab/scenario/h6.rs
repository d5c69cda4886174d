//! H6, healthy: pods of one node, whose packets never leave the bridge.
//!
//! ```text
//!   pods 10.42.A.x, .y, .z       eth0, cni0, flannel.1: 1450
//!   cni0 10.42.A.1
//!   flannel.1 10.42.A.0          no peer
//!   lima0 192.168.105.a          1500
//!   =====+===== vmnet 192.168.105.0/24, router 192.168.105.1 (np-h6-wan)
//! ```

use super::{Sketch, h2};

/// The sketch of H6.
pub(super) fn sketch() -> Sketch {
    let mut sketch = h2::sketch();
    sketch.nodes.truncate(1);
    sketch
}
