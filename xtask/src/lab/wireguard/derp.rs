//! A tunnel's connection to its DERP relay: kept up, one frame per datagram, each written at once if
//! the connection takes it. What waits longer than a while is dropped.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::relay::frame::{self, Frame, Key, Kind};

/// How long one try to connect may take, and how long to wait for the next.
const CONNECT: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(50);
/// Bytes that may wait for the connection.
const WAITING: usize = 256 * 1024;
/// Bytes read at a time.
const CHUNK: usize = 16_384;

/// The connection, or what is needed to make it.
pub(super) struct Derp {
    server: SocketAddrV4,
    mark: u32,
    own: Key,
    stream: Option<TcpStream>,
    tried: Option<Instant>,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
}

impl Derp {
    /// Not connected yet.
    pub(super) fn new(server: SocketAddrV4, mark: u32, own: Key) -> Self {
        Self {
            server,
            mark,
            own,
            stream: None,
            tried: None,
            inbound: Vec::new(),
            outbound: Vec::new(),
        }
    }

    /// Connects if there is no connection and the last try is long enough ago.
    pub(super) fn keep_up(&mut self, now: Instant) {
        let waits = self.tried.is_some_and(|tried| now < tried + RETRY);
        if self.stream.is_some() || waits {
            return;
        }
        self.tried = Some(now);
        if let Ok(stream) = self.connect() {
            let mut first = Vec::new();
            frame::write(&mut first, Kind::ClientInfo, &self.own, &[]);
            // Before what has waited for the connection.
            self.outbound.splice(..0, first);
            self.stream = Some(stream);
            self.flush();
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_mark(self.mark)?;
        socket.set_tcp_nodelay(true)?;
        socket.connect_timeout(&self.server.into(), CONNECT)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }

    /// Sends a datagram to the client of a key, unless too much waits already.
    pub(super) fn send(&mut self, to: &Key, datagram: &[u8]) -> io::Result<()> {
        if self.outbound.len() + datagram.len() > WAITING {
            return Err(io::ErrorKind::StorageFull.into());
        }
        frame::write(&mut self.outbound, Kind::SendPacket, to, datagram);
        self.flush();
        Ok(())
    }

    /// The next datagram that has come, and whose it is.
    pub(super) fn receive(&mut self) -> Option<(Key, Vec<u8>)> {
        loop {
            match frame::take(&mut self.inbound) {
                Ok(Some(Frame {
                    kind: Kind::ReceivePacket,
                    key,
                    packet,
                })) => return Some((key, packet)),
                Ok(Some(_)) => {}
                Ok(None) if self.read() => {}
                Ok(None) => return None,
                Err(cause) => {
                    self.lose(&cause.into());
                    return None;
                }
            }
        }
    }

    /// Takes what the connection has; false if that is nothing.
    fn read(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut chunk = [0; CHUNK];
        let lost = match stream.read(&mut chunk) {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(length) => {
                self.inbound.extend(&chunk[..length]);
                return true;
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return false,
            Err(cause) => cause,
        };
        self.lose(&lost);
        false
    }

    /// Writes as much as the connection takes.
    pub(super) fn flush(&mut self) {
        while let (Some(stream), false) = (&mut self.stream, self.outbound.is_empty()) {
            match stream.write(&self.outbound) {
                Ok(length) => drop(self.outbound.drain(..length)),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return,
                Err(cause) => self.lose(&cause),
            }
        }
    }

    /// The descriptor to wait for, and whether for room as well.
    pub(super) fn watch(&self) -> Option<(BorrowedFd<'_>, bool)> {
        let stream = self.stream.as_ref()?;
        Some((stream.as_fd(), !self.outbound.is_empty()))
    }

    /// A half frame on a lost connection is lost with it.
    fn lose(&mut self, cause: &io::Error) {
        eprintln!("lose the relay {}: {cause}", self.server);
        self.stream = None;
        self.inbound.clear();
        self.outbound.clear();
    }
}
