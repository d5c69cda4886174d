//! DNS queries over UDP, each from a port of its own, to one address that may stand for several
//! servers. A server answers every name with its own address, so that the client knows who it was.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::{Place, Stop, TrafficError};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Header of a message, and the question `pod.` for its IPv4 address in the Internet class.
const HEADER: usize = 12;
const QUESTION: [u8; 9] = [3, b'p', b'o', b'd', 0, 0, 1, 0, 1];
/// Bytes of a query, and of an answer: the query and one address record.
pub const QUERY: usize = HEADER + QUESTION.len();
/// See [`QUERY`].
pub const ANSWER: usize = QUERY + RECORD.len() + 4;
/// The name of the question again, address, Internet class, no time to live, four bytes.
const RECORD: [u8; 12] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4];

/// Queries, one after the other.
#[derive(Debug, Clone)]
pub struct Queries {
    /// Who asks.
    pub client: Place,
    /// Who is asked.
    pub target: SocketAddrV4,
    /// How many queries.
    pub count: u16,
}

/// What came of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueriesReport {
    /// Queries that were sent.
    pub sent: u64,
    /// Answers in time, by the server's own address.
    pub answered: BTreeMap<Ipv4Addr, u64>,
}

impl Queries {
    /// Drives them to their end.
    pub fn drive(&self, stop: &Stop) -> Result<QueriesReport, TrafficError> {
        let action = format!("ask {} from {}", self.target, self.client.netns);
        let asked = self.client.run(|| self.ask_all(stop))?;
        asked.map_err(TrafficError::socket(action))
    }

    fn ask_all(&self, stop: &Stop) -> io::Result<QueriesReport> {
        let mut report = QueriesReport::default();
        for id in 0..self.count {
            if stop.is_set() {
                break;
            }
            let socket = UdpSocket::bind((self.client.address, 0))?;
            socket.connect(self.target)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.send(&query(id))?;
            report.sent += 1;
            let mut answer = [0; ANSWER + 1];
            match socket.recv(&mut answer) {
                Ok(length) => {
                    let server = address_in(id, &answer[..length]);
                    let server = server.ok_or_else(|| io::Error::other("an odd answer"))?;
                    *report.answered.entry(server).or_default() += 1;
                }
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(report)
    }
}

/// Servers at several places; they answer until they are dropped.
#[derive(Debug)]
pub struct Resolvers {
    heard: Vec<(Ipv4Addr, Arc<AtomicU64>)>,
    /// Closing it wakes the thread and ends it.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// One server: its address, its socket, and what it has heard.
type Resolver = (Ipv4Addr, UdpSocket, Arc<AtomicU64>);

impl Resolvers {
    /// Listens at every place on its port, and answers from now on.
    pub fn serve(places: &[(Place, u16)]) -> Result<Self, TrafficError> {
        let listen = |(place, port): &(Place, u16)| {
            let action = format!("listen on {}:{port} in {}", place.address, place.netns);
            let bind = || -> io::Result<_> {
                let address = place.ipv4()?;
                Ok((address, UdpSocket::bind((address, *port))?))
            };
            let bound = place.run(bind)?.map_err(TrafficError::socket(action));
            bound.map(|(address, socket)| (address, socket, Arc::default()))
        };
        let servers: Result<Vec<Resolver>, TrafficError> = places.iter().map(listen).collect();
        let servers = servers?;
        let heard = servers.iter();
        let heard = heard.map(|(address, _, heard)| (*address, Arc::clone(heard)));
        let heard = heard.collect();
        let failed = TrafficError::socket("make a pair of sockets");
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        Ok(Self {
            heard,
            wake: Some(wake),
            thread: Some(std::thread::spawn(move || answer_all(&servers, &woken))),
        })
    }

    /// Queries that each server has had.
    #[must_use]
    pub fn heard(&self) -> BTreeMap<Ipv4Addr, u64> {
        let heard = self.heard.iter();
        heard
            .map(|(address, heard)| (*address, heard.load(Ordering::SeqCst)))
            .collect()
    }
}

impl Drop for Resolvers {
    fn drop(&mut self) {
        drop(self.wake.take());
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => {}
            Some(Ok(Err(cause))) => eprintln!("answer queries: {cause}"),
            Some(Err(_)) => eprintln!("answer queries: the thread of the servers panicked"),
        }
    }
}

/// Answers until the other end of `woken` is closed.
fn answer_all(servers: &[Resolver], woken: &UnixStream) -> io::Result<()> {
    loop {
        let sockets = servers.iter().map(|(_, socket, _)| socket.as_fd());
        let all = std::iter::once(woken.as_fd()).chain(sockets);
        let mut watched: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = watched.iter().map(|fd| fd.any().unwrap_or_default());
        if ready.next().unwrap_or_default() {
            return Ok(());
        }
        for ((address, socket, heard), _) in servers.iter().zip(ready).filter(|(_, ready)| *ready) {
            let mut asked = [0; QUERY + 1];
            let (length, from) = socket.recv_from(&mut asked)?;
            if let Some(answer) = answer(&asked[..length], *address) {
                // Counted first: who has the answer finds the query counted.
                heard.fetch_add(1, Ordering::SeqCst);
                socket.send_to(&answer, from)?;
            }
        }
    }
}

/// A query with this id, recursion desired.
fn query(id: u16) -> [u8; QUERY] {
    let [high, low] = id.to_be_bytes();
    let mut bytes = [0; QUERY];
    bytes[..HEADER].copy_from_slice(&[high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes[HEADER..].copy_from_slice(&QUESTION);
    bytes
}

/// The answer to a query of ours: itself as a response, with an address.
fn answer(asked: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let &[high, low, ..] = asked else { return None };
    let id = u16::from_be_bytes([high, low]);
    (asked == query(id)).then(|| {
        let mut bytes = [asked, &RECORD, &address.octets()].concat();
        bytes[2] |= 0x80;
        bytes[7] = 1;
        bytes
    })
}

/// The address in an answer to the query of this id.
fn address_in(id: u16, bytes: &[u8]) -> Option<Ipv4Addr> {
    let (_, octets) = bytes.split_last_chunk::<4>()?;
    let address = Ipv4Addr::from(*octets);
    (answer(&query(id), address)? == bytes).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::{ANSWER, QUERY, address_in, answer, query};
    use std::net::Ipv4Addr;

    #[test]
    fn answer_names_the_server_and_belongs_to_its_query() {
        let address = Ipv4Addr::new(10, 42, 7, 9);
        let bytes = answer(&query(0x0102), address).expect("a query");
        assert_eq!((query(0x0102).len(), bytes.len()), (QUERY, ANSWER));
        assert_eq!(bytes[..8], [1, 2, 0x81, 0, 0, 1, 0, 1]);
        assert_eq!(address_in(0x0102, &bytes), Some(address));
        assert_eq!(address_in(0x0103, &bytes), None);
        assert_eq!(answer(&bytes, address), None);
    }
}
