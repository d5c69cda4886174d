//! The relay of a lab: a host that every node reaches, when the nodes do not reach each other.

use std::net::SocketAddrV4;

use serde::Serialize;

use super::Device;
use crate::lab::relay::Session;

/// How `WireGuard` goes between two nodes, in the words of `netpath.tailscale.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By UDP from one to the other.
    Direct,
    /// Inside a TCP connection of each to a DERP relay.
    Derp,
    /// By UDP through a peer relay.
    PeerRelay,
}

impl Mode {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Derp => "derp",
            Self::PeerRelay => "peer_relay",
        }
    }
}

/// The relay host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relay {
    /// What it is: never direct.
    pub mode: Mode,
    /// Its namespace.
    pub netns: String,
    /// Its wire to the router.
    pub device: Device,
    /// Where it listens, by TCP for DERP and by UDP as a peer relay.
    pub listen: SocketAddrV4,
    /// Sessions of a peer relay: one per pair of nodes.
    pub sessions: Vec<RelaySession>,
}

/// A session of a peer relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelaySession {
    /// The names of the nodes that it joins.
    pub nodes: [String; 2],
    /// Its number and ends.
    #[serde(flatten)]
    pub session: Session,
}

impl Relay {
    /// The session between two nodes.
    #[must_use]
    pub fn session(&self, one: &str, other: &str) -> Option<&Session> {
        let joins = |of: &&RelaySession| of.nodes == [one, other] || of.nodes == [other, one];
        self.sessions.iter().find(joins).map(|of| &of.session)
    }
}
