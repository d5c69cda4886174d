//! Many TCP connections to one address that may stand for several servers, such as a Service.
//! They stay open between exchanges, and each end tells what it had: the truth per connection.

mod servers;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::{Place, TrafficError, tcp};
use crate::lab::kernel::tcp_info;

pub use self::servers::{Accepted, Servers};

/// Bytes of a request and of a reply.
pub const MESSAGE: usize = 64;

/// Numbers every connection of this process, so that both ends can be brought together.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One request or reply: which connection, and who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message {
    number: u32,
    server: Ipv4Addr,
}

impl Message {
    fn bytes(self) -> [u8; MESSAGE] {
        let mut bytes = [b'.'; MESSAGE];
        let (number, rest) = bytes.split_at_mut(4);
        number.copy_from_slice(&self.number.to_be_bytes());
        rest[..4].copy_from_slice(&self.server.octets());
        bytes
    }

    fn read(bytes: [u8; MESSAGE]) -> Self {
        let [a, b, c, d, rest @ ..] = bytes;
        let [e, f, g, h, ..] = rest;
        Self {
            number: u32::from_be_bytes([a, b, c, d]),
            server: Ipv4Addr::new(e, f, g, h),
        }
    }
}

/// The connections of one client.
#[derive(Debug)]
pub struct Calls {
    client: Place,
    target: SocketAddrV4,
    open: Vec<(Call, TcpStream)>,
}

/// One connection as its client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Its number, unique in this process.
    pub number: u32,
    /// The client's port.
    pub port: u16,
    /// The own address of the server that answers, once it has answered.
    pub server: Option<Ipv4Addr>,
    /// Requests that were answered.
    pub exchanges: u64,
}

impl Calls {
    /// No connection yet.
    #[must_use]
    pub fn new(client: Place, target: SocketAddrV4) -> Self {
        Self {
            client,
            target,
            open: Vec::new(),
        }
    }

    /// Opens so many connections more, one after the other.
    pub fn open(&mut self, count: usize) -> Result<(), TrafficError> {
        let (target, netns) = (self.target, &self.client.netns);
        let action = format!("open {count} connections from {netns} to {target}");
        let connect = || (0..count).map(|_| tcp::connect(target.into())).collect();
        let streams: io::Result<Vec<TcpStream>> = self.client.run(connect)?;
        let calls = streams.and_then(|streams| streams.into_iter().map(begin).collect());
        let calls: Vec<(Call, TcpStream)> = calls.map_err(TrafficError::socket(action))?;
        self.open.extend(calls);
        Ok(())
    }

    /// So many requests on every open connection. In each round all are asked before the first
    /// answer is read, so that all are under way at the same time.
    pub fn exchange(&mut self, rounds: u64) -> Result<(), TrafficError> {
        (0..rounds).try_for_each(|_| {
            self.ask()?;
            self.hear()
        })
    }

    /// One request on every open connection, each asked when the one before was answered and a
    /// pause is over: their packets are spread over time.
    pub fn exchange_in_turn(&mut self, pause: Duration) -> Result<(), TrafficError> {
        let action = format!("exchange with {} from {}", self.target, self.client.netns);
        self.open
            .iter_mut()
            .try_for_each(|(call, stream)| {
                std::thread::sleep(pause);
                call.ask(stream)?;
                call.hear(stream)
            })
            .map_err(TrafficError::socket(action))
    }

    /// One request on every open connection, without waiting for an answer.
    pub fn ask(&mut self) -> Result<(), TrafficError> {
        let action = format!("ask {} from {}", self.target, self.client.netns);
        self.open
            .iter_mut()
            .try_for_each(|(call, stream)| call.ask(stream))
            .map_err(TrafficError::socket(action))
    }

    /// The answers to one request on every open connection; waits for each for ten seconds.
    pub fn hear(&mut self) -> Result<(), TrafficError> {
        let action = format!("hear {} in {}", self.target, self.client.netns);
        self.open
            .iter_mut()
            .try_for_each(|(call, stream)| call.hear(stream))
            .map_err(TrafficError::socket(action))
    }

    /// The open connections.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.open.iter().map(|(call, _)| call)
    }

    /// The open connections, each with the segments that its client's TCP has sent since it began:
    /// handshake, bare acknowledgements and what was sent again included.
    pub fn segments(&self) -> Result<Vec<(&Call, u64)>, TrafficError> {
        let action = format!("read TCP_INFO in {}", self.client.netns);
        self.open
            .iter()
            .map(|(call, stream)| Ok((call, tcp_info(stream)?.tcpi_segs_out.into())))
            .collect::<io::Result<_>>()
            .map_err(TrafficError::socket(action))
    }

    /// Ends every connection in order, and waits until the servers have ended them too.
    pub fn close(self) -> Result<Vec<Call>, TrafficError> {
        let action = format!(
            "end connections from {} to {}",
            self.client.netns, self.target
        );
        let closed = self.open.into_iter().map(|(call, mut stream)| {
            stream.shutdown(Shutdown::Write)?;
            match stream.read(&mut [0])? {
                0 => Ok(call),
                _ => Err(io::Error::other("an answer to no request")),
            }
        });
        closed
            .collect::<io::Result<_>>()
            .map_err(TrafficError::socket(action))
    }
}

/// A connection that has just been opened.
fn begin(stream: TcpStream) -> io::Result<(Call, TcpStream)> {
    let call = Call {
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        port: stream.local_addr()?.port(),
        server: None,
        exchanges: 0,
    };
    Ok((call, stream))
}

impl Call {
    fn ask(&self, stream: &mut TcpStream) -> io::Result<()> {
        let request = Message {
            number: self.number,
            server: Ipv4Addr::UNSPECIFIED,
        };
        stream.write_all(&request.bytes())
    }

    fn hear(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut bytes = [0; MESSAGE];
        stream.read_exact(&mut bytes)?;
        let reply = Message::read(bytes);
        let same = self.server.is_none_or(|server| server == reply.server);
        if reply.number != self.number || !same {
            let (number, server) = (self.number, self.server);
            return Err(io::Error::other(format!(
                "connection {number} of {server:?} was answered as {reply:?}"
            )));
        }
        self.server = Some(reply.server);
        self.exchanges += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Message;
    use std::net::Ipv4Addr;

    #[test]
    fn message_is_read_as_it_was_written() {
        let message = Message {
            number: 0x0102_0304,
            server: Ipv4Addr::new(10, 42, 7, 9),
        };
        assert_eq!(Message::read(message.bytes()), message);
    }
}
