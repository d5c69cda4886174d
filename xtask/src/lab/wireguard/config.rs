//! The configuration file of a tunnel process.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use boringtun::x25519::{PublicKey, StaticSecret};
use serde::{Deserialize, Serialize};

/// One end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the TUN device to make.
    pub device: String,
    /// Its MTU, which caps the padding.
    pub mtu: u32,
    /// UDP port.
    pub port: u16,
    /// Mark on the socket.
    pub mark: u32,
    /// Own private key.
    pub private_key: [u8; 32],
    /// The relay, if it has one.
    pub relay: Option<SocketAddrV4>,
    /// The other ends.
    pub peers: Vec<PeerConfig>,
    /// What it does first.
    pub start: Start,
    /// File with the delay in milliseconds on everything sent; may be missing.
    pub delay_file: PathBuf,
}

/// How datagrams reach another end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By UDP to its endpoint.
    Direct(SocketAddr),
    /// By DERP, to the client of this key.
    Derp([u8; 32]),
    /// By a peer relay's session of this number.
    PeerRelay(u32),
}

/// What an end does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Waits for packets: the other ends may not be there yet.
    Quiet,
    /// Greets every other end, which still has the session of an end that is gone.
    Greeting,
}

/// Another end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Name of the node.
    pub name: String,
    /// Its public key.
    pub public_key: [u8; 32],
    /// Where its datagrams come from and go to.
    pub endpoint: SocketAddr,
    /// The way through the relay, which it takes while the endpoint does not answer; without one the
    /// endpoint is all there is.
    pub relayed: Option<Way>,
    /// `AllowedIPs`: address and prefix length.
    pub allowed: Vec<(IpAddr, u8)>,
    /// Persistent keepalive, if any.
    pub keepalive_seconds: Option<u16>,
}

/// The public key that belongs to a private one.
pub(crate) fn public_key(private: [u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(private)).to_bytes()
}
