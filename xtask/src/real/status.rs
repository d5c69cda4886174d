//! How a machine of the tailnet reaches a peer, as far as scenarios wait for it. Pure.

use std::net::Ipv4Addr;

pub use crate::oracle::tailscale::Node as Peer;

use super::tailscaled::Reach;
use crate::oracle::Mode;

impl Peer {
    /// How it is reached; none while nothing was sent to it lately.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        match self.mode() {
            Mode::Direct(_) => Some(Reach::Direct),
            Mode::PeerRelay(_) => Some(Reach::PeerRelay),
            Mode::Derp(_) => Some(Reach::Derp),
            Mode::Idle => None,
        }
    }

    /// The address of its end of a direct path.
    #[must_use]
    pub fn endpoint(&self) -> Option<Ipv4Addr> {
        let (address, _) = self.cur_addr.rsplit_once(':')?;
        address.parse().ok()
    }
}
