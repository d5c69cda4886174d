//! The answering end of probes at one place: it takes what requests bring, sends what they want and
//! sends datagrams back. It knows TCP's own view of each connection, and lives until it is dropped.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Scope};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::line::{HEADER, Header};
use crate::traffic::tcp::Sampler;
use crate::traffic::{Place, TcpSide, TrafficError, tcp};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// Bytes moved at a time.
const CHUNK: usize = 16_384;
/// Longest datagram.
const DATAGRAM: usize = 65_536;

/// A server for any number of probes.
#[derive(Debug)]
pub struct ProbeServer {
    address: SocketAddr,
    room: Arc<Room>,
    /// Closing it wakes the thread and ends it.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// The connections so far.
#[derive(Debug, Default)]
struct Room(Mutex<Vec<Connection>>);

#[derive(Debug)]
struct Connection {
    /// The client's number of it, once a request has come.
    number: Option<u32>,
    sampler: Sampler,
    /// None when it has ended.
    stream: Option<TcpStream>,
}

impl ProbeServer {
    /// Listens at a place, TCP and UDP on one port, and answers from now on. Port 0 lets the kernel
    /// choose.
    pub fn serve(place: &Place, port: u16) -> Result<Self, TrafficError> {
        let action = format!("listen on {}:{port} in {}", place.address, place.netns);
        let open = || {
            let (listener, address) = tcp::listen(place, port)?;
            listener.listen(BACKLOG)?;
            listener.set_nonblocking(true)?;
            let datagrams = UdpSocket::bind(address)?;
            datagrams.set_nonblocking(true)?;
            Ok((listener, datagrams, address))
        };
        let opened: io::Result<_> = place.run(open)?;
        let (listener, datagrams, address) = opened.map_err(TrafficError::socket(action))?;
        let failed = TrafficError::socket("make a pair of sockets");
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        let room = Arc::new(Room::default());
        let own = Arc::clone(&room);
        Ok(Self {
            address,
            room,
            wake: Some(wake),
            thread: Some(thread::spawn(move || {
                own.run(&listener, &datagrams, &woken)
            })),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// TCP at this end of the connection with this number; none if no request came over it.
    pub(super) fn side(&self, number: u32) -> Option<TcpSide> {
        let mut connections = self.room.connections();
        let mut known = connections.iter_mut();
        let connection = known.find(|connection| connection.number == Some(number))?;
        connection.sample();
        Some(TcpSide {
            port: self.address.port(),
            ..connection.sampler.side()
        })
    }
}

impl Drop for ProbeServer {
    fn drop(&mut self) {
        drop(self.wake.take());
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => {}
            Some(Ok(Err(cause))) => eprintln!("answer probes: {cause}"),
            Some(Err(_)) => eprintln!("answer probes: the thread of the server panicked"),
        }
    }
}

impl Connection {
    /// Reads `TCP_INFO`, as long as there is a socket.
    fn sample(&mut self) {
        let sampled = self
            .stream
            .as_ref()
            .map(|stream| self.sampler.sample(stream));
        if let Some(Err(cause)) = sampled {
            eprintln!("read TCP_INFO of a probe: {cause}");
        }
    }
}

impl Room {
    /// The list; a panic elsewhere leaves it whole.
    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts and answers until the other end of `woken` is closed; then every connection is ended.
    fn run(&self, listener: &Socket, datagrams: &UdpSocket, woken: &UnixStream) -> io::Result<()> {
        thread::scope(|scope| {
            let ended = self.receive(scope, listener, datagrams, woken);
            for connection in self.connections().iter() {
                if let Some(stream) = &connection.stream
                    && let Err(cause) = stream.shutdown(Shutdown::Both)
                    && cause.kind() != io::ErrorKind::NotConnected
                {
                    eprintln!("end a probe's connection: {cause}");
                }
            }
            ended
        })
    }

    fn receive<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        listener: &Socket,
        datagrams: &UdpSocket,
        woken: &UnixStream,
    ) -> io::Result<()> {
        loop {
            let sources = [woken.as_fd(), listener.as_fd(), datagrams.as_fd()];
            let mut watched = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match poll(&mut watched, PollTimeout::NONE) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let [ended, connects, sends] = watched.map(|fd| fd.any().unwrap_or_default());
            if ended {
                return Ok(());
            }
            if connects && let Some((socket, _)) = unless_blocked(listener.accept())? {
                let stream = TcpStream::from(socket);
                let position = self.add(&stream)?;
                scope.spawn(move || self.answer(stream, position));
            }
            if sends {
                echo(datagrams)?;
            }
        }
    }

    /// Takes a new connection into the list; its place there.
    fn add(&self, stream: &TcpStream) -> io::Result<usize> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let mut connections = self.connections();
        connections.push(Connection {
            number: None,
            sampler: Sampler::default(),
            stream: Some(stream.try_clone()?),
        });
        Ok(connections.len() - 1)
    }

    /// Answers until the connection ends, in order or not: a client that gives up is no failure.
    fn answer(&self, mut stream: TcpStream, position: usize) {
        while let Ok(true) = self.answer_one(&mut stream, position) {}
        if let Some(connection) = self.connections().get_mut(position) {
            connection.sample();
            connection.stream = None;
        }
    }

    /// Answers one request; false at the end.
    fn answer_one(&self, stream: &mut TcpStream, position: usize) -> io::Result<bool> {
        let mut header = [0; HEADER];
        let first = stream.read(&mut header)?;
        if first == 0 {
            return Ok(false);
        }
        stream.read_exact(&mut header[first..])?;
        let header = Header::read(header);
        if let Some(connection) = self.connections().get_mut(position) {
            connection.number = Some(header.number);
            // The request has carried the acknowledgement of the last reply.
            connection.sample();
        }
        let brought = io::copy(&mut stream.take(header.brings.into()), &mut io::sink())?;
        if brought < header.brings.into() {
            return Ok(false);
        }
        let chunk = [b'r'; CHUNK];
        let mut left = usize::try_from(header.wants).unwrap_or(usize::MAX);
        while left > 0 {
            let written = stream.write(&chunk[..left.min(CHUNK)])?;
            left -= written;
        }
        Ok(true)
    }
}

/// Sends back every datagram that waits; what cannot be sent is lost, as on a path.
fn echo(socket: &UdpSocket) -> io::Result<()> {
    let mut datagram = vec![0; DATAGRAM];
    while let Some((length, from)) = unless_blocked(socket.recv_from(&mut datagram))? {
        if let Err(cause) = socket.send_to(&datagram[..length], from) {
            eprintln!("send {length} bytes back to {from}: {cause}");
        }
    }
    Ok(())
}

/// What was there, if something was.
fn unless_blocked<T>(taken: io::Result<T>) -> io::Result<Option<T>> {
    match taken {
        Ok(taken) => Ok(Some(taken)),
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(cause) => Err(cause),
    }
}
