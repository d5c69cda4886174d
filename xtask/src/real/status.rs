//! What `tailscale status --json` says, as far as the lab asks it. Every field may be missing. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;

use super::tailscaled::Reach;
use crate::lab::LabError;

/// A daemon's status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Tailscale {
    peer: BTreeMap<String, Peer>,
}

/// A peer in it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Peer {
    host_name: String,
    cur_addr: String,
    relay: String,
    peer_relay: String,
    active: bool,
}

impl Tailscale {
    /// Reads the JSON.
    pub(super) fn parse(text: &str) -> Result<Self, LabError> {
        serde_json::from_str(text).map_err(|cause| LabError::Timeout {
            what: "the status of tailscaled".into(),
            seconds: 0.0,
            detail: format!("{cause} in {text}"),
        })
    }

    /// The peer of this name.
    #[must_use]
    pub fn peer(&self, name: &str) -> Option<&Peer> {
        self.peer.values().find(|peer| peer.host_name == name)
    }
}

impl Peer {
    /// How it is reached; none while nothing was sent to it lately (ipnstate, `PeerStatus.Active`).
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        if !self.cur_addr.is_empty() {
            return Some(Reach::Direct);
        }
        if !self.peer_relay.is_empty() {
            return Some(Reach::PeerRelay);
        }
        (self.active && !self.relay.is_empty()).then_some(Reach::Derp)
    }

    /// The address of its end of a direct path.
    #[must_use]
    pub fn endpoint(&self) -> Option<Ipv4Addr> {
        let (address, _) = self.cur_addr.rsplit_once(':')?;
        address.parse().ok()
    }
}
