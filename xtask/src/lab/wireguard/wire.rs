//! The UDP side of a tunnel: a marked socket whose way out can be delayed.
//! It does not look into datagrams.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::config::Config;
use crate::lab::held::Held;
use crate::lab::knob::Knob;

/// Datagrams in the delay queue: 100 ms at 1 Gbit/s of 1340 bytes.
const HELD: usize = 10_000;
/// Socket buffers, as large as tailscaled asks for.
const SOCKET_BUFFER: usize = 7 << 20;

/// A marked, non-blocking socket on all addresses.
pub(super) fn open_socket(config: &Config) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_mark(config.mark)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER)?;
    setsockopt(&socket, sockopt::SndBufForce, &SOCKET_BUFFER)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, config.port).into())?;
    Ok(socket.into())
}

/// The way out to the peers, with its delay.
pub(super) struct Wire {
    socket: UdpSocket,
    knob: Knob,
    held: Held<(SocketAddrV4, Vec<u8>)>,
    lost: u64,
}

impl Wire {
    /// A wire over an open socket, with the delay of a file.
    pub(super) fn new(socket: UdpSocket, delay_file: PathBuf) -> Self {
        Self {
            socket,
            knob: Knob::new(delay_file),
            held: Held::new(HELD),
            lost: 0,
        }
    }

    /// The next datagram, if one is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer)
    }

    /// How long until a held datagram is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.held.wait(now)
    }

    /// Sends a datagram, at once or after the delay in force.
    pub(super) fn send(&mut self, to: SocketAddrV4, datagram: &[u8]) {
        let now = Instant::now();
        let delay = self.knob.value(now);
        if delay.is_zero() && self.held.is_empty() {
            self.send_now(to, datagram);
        } else if !self.held.push(now + delay, (to, datagram.to_vec())) {
            self.lost += 1;
        }
    }

    /// Sends what is due.
    pub(super) fn flush(&mut self, now: Instant) {
        while let Some((to, datagram)) = self.held.pop(now) {
            self.send_now(to, &datagram);
        }
    }

    /// A refused datagram is a lost one, as in the real thing; the first is told.
    fn send_now(&mut self, to: SocketAddrV4, datagram: &[u8]) {
        if let Err(cause) = self.socket.send_to(datagram, to) {
            if self.lost == 0 {
                eprintln!("send {} bytes to {to}: {cause}", datagram.len());
            }
            self.lost += 1;
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
