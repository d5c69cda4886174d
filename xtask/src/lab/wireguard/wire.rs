//! The outer side of a tunnel: a marked socket and perhaps a relay; the way out can be delayed.
//! It does not look into datagrams, but for the header of a peer relay.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::config::{Config, Way, public_key};
use super::derp::Derp;
use crate::lab::held::Held;
use crate::lab::knob::Knob;
use crate::lab::relay::geneve;

/// Datagrams in the delay queue: 100 ms at 1 Gbit/s of 1340 bytes.
const HELD: usize = 10_000;
/// Socket buffers, as large as tailscaled asks for.
const SOCKET_BUFFER: usize = 7 << 20;

/// A marked, non-blocking socket on all addresses of the family that the endpoints have.
pub(super) fn open_socket(config: &Config) -> io::Result<UdpSocket> {
    let is_six = config.peers.iter().any(|peer| peer.endpoint.is_ipv6());
    let any: IpAddr = if is_six {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let own = SocketAddr::new(any, config.port);
    let socket = Socket::new(Domain::for_address(own), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_mark(config.mark)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER)?;
    setsockopt(&socket, sockopt::SndBufForce, &SOCKET_BUFFER)?;
    socket.bind(&own.into())?;
    Ok(socket.into())
}

/// The ways out to the peers, with their delay.
pub(super) struct Wire {
    socket: UdpSocket,
    derp: Option<Derp>,
    peer_relay: Option<SocketAddrV4>,
    knob: Knob,
    held: Held<(Way, Vec<u8>)>,
    lost: u64,
}

impl Wire {
    /// A wire over an open socket.
    pub(super) fn new(socket: UdpSocket, config: &Config) -> Self {
        let uses = |wanted: fn(&Way) -> bool| {
            let mut ways = config.peers.iter().filter_map(|peer| peer.relayed.as_ref());
            config.relay.filter(|_| ways.any(wanted))
        };
        let own = public_key(config.private_key);
        Self {
            socket,
            derp: uses(|way| matches!(way, Way::Derp(_)))
                .map(|server| Derp::new(server, config.mark, own)),
            peer_relay: uses(|way| matches!(way, Way::PeerRelay(_))),
            knob: Knob::new(config.delay_file.clone()),
            held: Held::new(HELD),
            lost: 0,
        }
    }

    /// The next datagram, if one is there, and the way it came; none for one that is not for us.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, Way)>> {
        if let Some((key, datagram)) = self.derp.as_mut().and_then(Derp::receive) {
            let length = datagram.len().min(buffer.len());
            buffer[..length].copy_from_slice(&datagram[..length]);
            return Ok(Some((length, Way::Derp(key))));
        }
        let (length, mut from) = self.socket.recv_from(buffer)?;
        if let SocketAddr::V6(from) = &mut from {
            // Not a part of the endpoint.
            from.set_scope_id(0);
        }
        if self.peer_relay.map(SocketAddr::V4) != Some(from) {
            return Ok(Some((length, Way::Direct(from))));
        }
        let Some((vni, _)) = geneve::open(&buffer[..length]) else {
            return Ok(None);
        };
        buffer.copy_within(geneve::HEADER..length, 0);
        Ok(Some((length - geneve::HEADER, Way::PeerRelay(vni))))
    }

    /// How long until a held datagram is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.held.wait(now)
    }

    /// Keeps the connection to the relay up.
    pub(super) fn keep_up(&mut self, now: Instant) {
        if let Some(derp) = &mut self.derp {
            derp.keep_up(now);
        }
    }

    /// What to wait for.
    pub(super) fn watched(&self) -> Vec<PollFd<'_>> {
        let mut watched = vec![PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        if let Some((stream, for_room)) = self.derp.as_ref().and_then(Derp::watch) {
            let mut wanted = PollFlags::POLLIN;
            wanted.set(PollFlags::POLLOUT, for_room);
            watched.push(PollFd::new(stream, wanted));
        }
        watched
    }

    /// Sends a datagram, at once or after the delay in force.
    pub(super) fn send(&mut self, way: Way, datagram: &[u8]) {
        let now = Instant::now();
        let delay = self.knob.value(now);
        if delay.is_zero() && self.held.is_empty() {
            self.send_now(way, datagram);
        } else if !self.held.push(now + delay, (way, datagram.to_vec())) {
            self.lost += 1;
        }
    }

    /// Sends what is due.
    pub(super) fn flush(&mut self, now: Instant) {
        while let Some((way, datagram)) = self.held.pop(now) {
            self.send_now(way, &datagram);
        }
        if let Some(derp) = &mut self.derp {
            derp.flush();
        }
    }

    /// A refused datagram is a lost one, as in the real thing; the first is told.
    fn send_now(&mut self, way: Way, datagram: &[u8]) {
        let sent = match (way, &mut self.derp, self.peer_relay) {
            (Way::Direct(to), ..) => self.socket.send_to(datagram, to).map(|_| ()),
            (Way::Derp(key), Some(derp), _) => derp.send(&key, datagram),
            (Way::PeerRelay(vni), _, Some(relay)) => {
                let framed = [&geneve::header(vni), datagram].concat();
                self.socket.send_to(&framed, relay).map(|_| ())
            }
            (Way::Derp(_) | Way::PeerRelay(_), ..) => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(cause) = sent {
            if self.lost == 0 {
                eprintln!("send {} bytes by {way:?}: {cause}", datagram.len());
            }
            self.lost += 1;
        }
    }
}
