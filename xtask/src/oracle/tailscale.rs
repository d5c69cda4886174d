//! `tailscale status`: what tailscaled itself says about its peers and how it reaches them.
//! It reads only the fields that scenarios compare; whatever is missing or null has its default.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Deserializer, Serialize};

use super::{OracleError, ask, local_api};

/// The state of a tailscaled (`ipnstate.Status`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Whether it has a TUN device; false means userspace networking.
    #[serde(rename = "TUN")]
    pub tun: bool,
    /// `Running`, `NeedsLogin`, `Stopped`, ...
    pub backend_state: String,
    /// Its own node; none before it has logged in.
    #[serde(rename = "Self", deserialize_with = "nullable")]
    pub own: Option<Node>,
    /// The other nodes, by public key.
    #[serde(rename = "Peer", deserialize_with = "nullable")]
    pub peers: BTreeMap<String, Node>,
    /// What it complains about.
    #[serde(deserialize_with = "nullable")]
    pub health: Vec<String>,
}

/// A node of the tailnet (`ipnstate.PeerStatus`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// Name that it has given itself.
    pub host_name: String,
    /// Its tailnet addresses.
    #[serde(rename = "TailscaleIPs", deserialize_with = "nullable")]
    pub tailscale_ips: Vec<IpAddr>,
    /// Prefixes that are routed to it: its addresses and its approved subnet routes.
    #[serde(rename = "AllowedIPs", deserialize_with = "nullable")]
    pub allowed_ips: Vec<String>,
    /// Endpoints that it offers; only told of the own node.
    #[serde(deserialize_with = "nullable")]
    pub addrs: Vec<String>,
    /// Endpoint that it is reached at; empty unless direct and trusted.
    pub cur_addr: String,
    /// Code of its home region; also given when it is not used.
    pub relay: String,
    /// Peer relay in use, as `address:port:vni:number`; empty if none.
    pub peer_relay: String,
    /// WireGuard bytes from it.
    pub rx_bytes: i64,
    /// WireGuard bytes to it.
    pub tx_bytes: i64,
    /// Whether something was sent to it in the last 45 s.
    pub active: bool,
    /// Whether the control server has a connection of it.
    pub online: bool,
}

/// How a peer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By UDP at this endpoint, which may be an address of the pod network.
    Direct(String),
    /// Through this peer relay.
    PeerRelay(String),
    /// Through the DERP server of this region.
    Derp(String),
    /// Nothing was sent lately, or no way is known.
    Idle,
}

impl Status {
    /// Asks the daemon behind a socket.
    pub fn of_daemon(socket: &Path) -> Result<Self, OracleError> {
        let body = local_api::get(socket, "status")?;
        serde_json::from_slice(&body).map_err(|source| OracleError::Answer {
            command: format!("status of {}", socket.display()),
            source,
        })
    }

    /// Asks the same with the `tailscale` program at `program`.
    pub fn by_program(program: &Path, socket: &Path) -> Result<Self, OracleError> {
        let mut command = Command::new(program);
        command.arg(format!("--socket={}", socket.display()));
        command.args(["status", "--json"]);
        ask(command)
    }

    /// Whether it is logged in and up.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.backend_state == "Running"
    }

    /// The peer that calls itself so. A node that has registered again may be there twice: the one
    /// that is online comes first.
    #[must_use]
    pub fn peer(&self, host_name: &str) -> Option<&Node> {
        let mut named = self
            .peers
            .values()
            .filter(|node| node.host_name == host_name);
        let first = named.clone().next();
        named.find(|node| node.online).or(first)
    }
}

impl Node {
    /// How the asked daemon reaches it. For up to 6.5 s after a direct path is lost there is no
    /// endpoint though datagrams still go there: look twice before calling it a change.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if !self.active {
            Mode::Idle
        } else if !self.cur_addr.is_empty() {
            Mode::Direct(self.cur_addr.clone())
        } else if !self.peer_relay.is_empty() {
            Mode::PeerRelay(self.peer_relay.clone())
        } else if !self.relay.is_empty() {
            Mode::Derp(self.relay.clone())
        } else {
            Mode::Idle
        }
    }
}

/// Go writes an empty list or map as null.
fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests;
