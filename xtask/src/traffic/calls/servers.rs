//! The servers behind such connections: one thread answers on all of them and keeps count of what
//! came over each. It lives until it is dropped.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use socket2::Socket;

use super::{MESSAGE, Message};
use crate::traffic::{Place, TrafficError, tcp};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// One connection as its server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The own address of the server.
    pub server: Ipv4Addr,
    /// The client's number of it, once a request has come.
    pub number: Option<u32>,
    /// Who opened it, as the server sees it: after all translations.
    pub peer: SocketAddrV4,
    /// Requests that came, each of [`MESSAGE`] bytes and answered by as many.
    pub requests: u64,
    /// Whether the client has ended it.
    pub ended: bool,
}

/// Servers at several places.
#[derive(Debug)]
pub struct Servers {
    accepted: Arc<Mutex<Vec<Accepted>>>,
    /// Closing it wakes the thread and ends it.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Servers {
    /// Listens at every place on its port, and answers from now on.
    pub fn serve(places: &[(Place, u16)]) -> Result<Self, TrafficError> {
        let listen = |(place, port): &(Place, u16)| {
            let action = format!("listen on {}:{port} in {}", place.address, place.netns);
            let open = || {
                let (socket, _) = tcp::listen(place, *port)?;
                socket.listen(BACKLOG)?;
                socket.set_nonblocking(true)?;
                Ok((place.ipv4()?, socket))
            };
            place.run(open)?.map_err(TrafficError::socket(action))
        };
        let listeners = places.iter().map(listen).collect::<Result<Vec<_>, _>>()?;
        let failed = || TrafficError::socket("make a pair of sockets");
        let (wake, woken) = UnixStream::pair().map_err(failed())?;
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let mut room = Room {
            listeners,
            open: Vec::new(),
            accepted: Arc::clone(&accepted),
        };
        Ok(Self {
            accepted,
            wake: Some(wake),
            thread: Some(std::thread::spawn(move || room.run(&woken))),
        })
    }

    /// All connections so far, ended ones too, in the order of their acceptance.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        lock(&self.accepted).clone()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.wake.take());
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => {}
            Some(Ok(Err(cause))) => eprintln!("answer requests: {cause}"),
            Some(Err(_)) => eprintln!("answer requests: the thread of the servers panicked"),
        }
    }
}

/// What the thread of the servers holds.
struct Room {
    listeners: Vec<(Ipv4Addr, Socket)>,
    open: Vec<Connection>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
}

/// A connection with its place in the list of accepted ones and a request that is not whole yet.
struct Connection {
    stream: TcpStream,
    position: usize,
    request: Vec<u8>,
}

impl Room {
    /// Accepts and answers until the other end of `woken` is closed.
    fn run(&mut self, woken: &UnixStream) -> io::Result<()> {
        loop {
            let listeners = self.listeners.iter().map(|(_, socket)| socket.as_fd());
            let streams = self.open.iter().map(|connection| connection.stream.as_fd());
            let all = std::iter::once(woken.as_fd())
                .chain(listeners)
                .chain(streams);
            let mut watched: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            match poll(&mut watched, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let ready = watched.iter().map(|fd| fd.any().unwrap_or_default());
            let mut ready = ready.collect::<Vec<bool>>().into_iter();
            if ready.next().unwrap_or_default() {
                return Ok(());
            }
            let mut ready = ready.skip(self.listeners.len());
            self.open.retain_mut(|connection| {
                let is_ready = ready.next().unwrap_or_default();
                !is_ready || connection.answer(&self.accepted)
            });
            self.accept()?;
        }
    }

    /// Takes every connection that waits.
    fn accept(&mut self) -> io::Result<()> {
        for (server, listener) in &self.listeners {
            loop {
                let (socket, peer) = match listener.accept() {
                    Ok(taken) => taken,
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                    Err(cause) => return Err(cause),
                };
                let peer = peer.as_socket_ipv4();
                let stream = tcp::prepare(socket.into())?;
                let mut accepted = lock(&self.accepted);
                accepted.push(Accepted {
                    server: *server,
                    number: None,
                    peer: peer.ok_or(io::ErrorKind::AddrNotAvailable)?,
                    requests: 0,
                    ended: false,
                });
                self.open.push(Connection {
                    stream,
                    position: accepted.len() - 1,
                    request: Vec::with_capacity(MESSAGE),
                });
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Takes what has come and answers a whole request; false when the client has ended, or is gone.
    fn answer(&mut self, accepted: &Mutex<Vec<Accepted>>) -> bool {
        let goes_on = self.exchange(accepted).unwrap_or_default();
        if let (false, Some(own)) = (goes_on, lock(accepted).get_mut(self.position)) {
            own.ended = true;
        }
        goes_on
    }

    fn exchange(&mut self, accepted: &Mutex<Vec<Accepted>>) -> io::Result<bool> {
        let mut part = [0; MESSAGE];
        let length = self.stream.read(&mut part[self.request.len()..])?;
        self.request
            .extend(part.iter().skip(self.request.len()).take(length));
        let Ok(request) = <[u8; MESSAGE]>::try_from(self.request.as_slice()) else {
            return Ok(length > 0);
        };
        self.request.clear();
        let number = Message::read(request).number;
        let server = {
            let mut accepted = lock(accepted);
            let own = accepted.get_mut(self.position);
            let own = own.ok_or_else(|| io::Error::other("a connection that was not accepted"))?;
            own.number = Some(number);
            own.requests += 1;
            own.server
        };
        self.stream.write_all(&Message { number, server }.bytes())?;
        Ok(true)
    }
}

/// The list of accepted connections; a panic elsewhere leaves it whole.
fn lock(accepted: &Mutex<Vec<Accepted>>) -> std::sync::MutexGuard<'_, Vec<Accepted>> {
    accepted.lock().unwrap_or_else(PoisonError::into_inner)
}
