//! A relay between tunnels that do not reach each other by UDP: one TCP connection per tunnel, as a
//! DERP server has them, or datagrams with a session number, as a Tailscale peer relay has them.
//! It holds what it carries for a settable time. It has no encryption, login or binding handshake.

mod datagrams;
pub(crate) mod frame;
pub(crate) mod geneve;
mod streams;

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config_file;
use super::error::LabError;

pub use self::frame::OVERHEAD as FRAME_OVERHEAD;
pub use self::geneve::HEADER as GENEVE_HEADER;

/// The configuration file of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddrV4,
    /// What it carries.
    pub carries: Carries,
    /// File with the delay in milliseconds per direction; may be missing.
    pub delay_file: PathBuf,
}

/// What a relay carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    /// Frames over TCP connections; each names the key of its receiver.
    Frames,
    /// UDP datagrams behind a Geneve header; each names its session.
    Sessions(Vec<Session>),
}

/// Two ends that a peer relay joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, of 24 bits.
    pub vni: u32,
    /// Its ends.
    pub ends: [SocketAddrV4; 2],
}

/// Packets held while they wait: 100 ms at 1 Gbit/s of 1340 bytes.
const HELD: usize = 10_000;
/// Longest sleep; input or a due time ends it earlier.
const IDLE: Duration = Duration::from_secs(1);

/// Runs the relay of a configuration file until the process is ended.
pub fn serve(config: &Path) -> Result<(), LabError> {
    let Config {
        listen,
        carries,
        delay_file,
    } = config_file::read("relay", config)?;
    match carries {
        Carries::Frames => streams::run(listen, delay_file),
        Carries::Sessions(sessions) => datagrams::run(listen, &sessions, delay_file),
    }
    .map_err(|cause| LabError::io(format!("relay at {listen}"), cause))
}
