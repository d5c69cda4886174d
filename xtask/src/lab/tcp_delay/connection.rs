//! One connection through the proxy: the client's socket, that to the target, and what is on its
//! way between them. It decides nothing about time.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::direction::{Direction, End};

/// Both ends, client first, and the two directions by the end that they come from.
pub(super) struct Connection {
    is_connected: bool,
    ends: [TcpStream; 2],
    directions: [Direction; 2],
}

impl Connection {
    /// Begins to connect to the target for a client. Whether it answers shows later.
    pub(super) fn open(client: TcpStream, target: SocketAddr) -> io::Result<Self> {
        let connected = connect(target);
        if connected.is_err() {
            reset(&client);
        }
        Ok(Self {
            is_connected: false,
            ends: [client, connected?],
            directions: Default::default(),
        })
    }

    /// Takes what has come at both ends; it leaves at `due`.
    pub(super) fn take(&mut self, chunk: &mut [u8], due: Instant) {
        let ends = self.ends.iter_mut().zip(["client", "target"]);
        for ((end, name), direction) in ends.zip(&mut self.directions) {
            if let Err(cause) = direction.take(end, chunk, due) {
                eprintln!("lose a {name}: {cause}");
            }
        }
    }

    /// Lets go of what is due; false when the connection is over.
    pub(super) fn deliver(&mut self, now: Instant) -> bool {
        let [client, target] = &mut self.ends;
        let [outward, inward] = &mut self.directions;
        // An end passed on before the handshake is done would undo it.
        self.is_connected = self.is_connected || target.peer_addr().is_ok();
        let sent = self.is_connected.then(|| outward.deliver(target, now));
        let ends = [sent.flatten(), inward.deliver(client, now)];
        for (end, socket) in ends.iter().zip([target, client]) {
            if *end == Some(End::Reset) {
                reset(socket);
            }
        }
        !(ends.contains(&Some(End::Reset)) || ends.iter().all(Option::is_some))
    }

    /// How long until something is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let [outward, inward] = &self.directions;
        let outward = self.is_connected.then(|| outward.wait(now)).flatten();
        outward.into_iter().chain(inward.wait(now)).min()
    }

    /// What to wait for. A socket that nothing is wanted of is left out: one that has hung up would
    /// be ready for ever.
    pub(super) fn watched(&self) -> impl Iterator<Item = PollFd<'_>> {
        let [outward, inward] = &self.directions;
        let wanted = [[outward, inward], [inward, outward]];
        let mut flags = wanted.map(|[from_here, to_here]| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, from_here.has_room());
            flags.set(PollFlags::POLLOUT, to_here.is_blocked());
            flags
        });
        // A handshake ends with room to write, or with an error to read.
        if !self.is_connected && inward.has_room() {
            flags[1] |= PollFlags::POLLOUT;
        }
        let ends = self.ends.iter().zip(flags);
        ends.filter(|(_, flags)| !flags.is_empty())
            .map(|(end, flags)| PollFd::new(end.as_fd(), flags))
    }
}

/// A socket that is connected, or will be.
fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(target),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&target.into()) {
        Err(cause) if cause.raw_os_error() != Some(libc::EINPROGRESS) => Err(cause),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

/// Makes closing the socket reset its connection.
fn reset(socket: &TcpStream) {
    if let Err(cause) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        eprintln!("reset a connection: {cause}");
    }
}
