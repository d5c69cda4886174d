//! A TCP proxy that holds every byte for a settable time, in order and in both directions: put
//! before a server, it makes that server distant. It never loses, changes or looks into a byte; a
//! receiver that reads slowly makes its sender wait. It does not hold the handshake.

mod connection;
mod direction;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use serde::{Deserialize, Serialize};

use self::connection::Connection;
use super::config_file;
use super::error::LabError;
use super::knob::Knob;
use super::sockets;

/// The configuration file of a TCP proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it connects to, once per connection that it takes.
    pub target: SocketAddr,
    /// File with the delay in milliseconds per direction; may be missing.
    pub delay_file: PathBuf,
}

/// Longest sleep; input, room or a due time ends it earlier.
const IDLE: Duration = Duration::from_secs(1);
/// Bytes taken from a connection at a time.
const CHUNK: usize = 65_536;

/// Runs the proxy of a configuration file until the process is ended.
pub fn serve(config: &Path) -> Result<(), LabError> {
    let Config {
        listen,
        target,
        delay_file,
    } = config_file::read("TCP delay", config)?;
    run(listen, target, Knob::new(delay_file))
        .map_err(|cause| LabError::io(format!("TCP proxy from {listen} to {target}"), cause))
}

/// Carries connections, for ever.
fn run(listen: SocketAddr, target: SocketAddr, mut knob: Knob) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let mut connections: Vec<Connection> = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        await_work(&listener, &connections)?;
        while let Some(client) = sockets::accept(&listener)? {
            match Connection::open(client, target) {
                Ok(connection) => connections.push(connection),
                Err(cause) => eprintln!("connect to {target}: {cause}"),
            }
        }
        connections.retain_mut(|connection| {
            let now = Instant::now();
            connection.take(&mut chunk, now + knob.value(now));
            connection.deliver(Instant::now())
        });
    }
}

/// Waits for a connection, for input where there is room for it, for room where something has to
/// leave, or until something is due.
fn await_work(listener: &TcpListener, connections: &[Connection]) -> io::Result<()> {
    let mut watched = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    watched.extend(connections.iter().flat_map(Connection::watched));
    let now = Instant::now();
    let due = connections
        .iter()
        .filter_map(|connection| connection.wait(now));
    let patience = due.min().map_or(IDLE, |wait| wait.min(IDLE));
    sockets::await_any(&mut watched, patience)
}
