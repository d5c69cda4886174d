//! TCP requests and replies over one connection: rate, latency and TCP's own round-trip time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::tcp::{self, Sampler, TcpSide};
use super::{Place, Stop, Summary, TrafficError, pair};

/// Requests and replies.
#[derive(Debug, Clone)]
pub struct PingPong {
    /// Who asks.
    pub client: Place,
    /// Who answers.
    pub server: Place,
    /// The server's port; 0 lets the kernel choose.
    pub port: u16,
    /// Bytes per request, at least 1.
    pub request: usize,
    /// Bytes per reply, at least 1.
    pub reply: usize,
    /// Pause of the client between exchanges.
    pub think: Duration,
    /// When it ends.
    pub until: Until,
}

/// When an exchange of messages ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After so many exchanges.
    Count(u64),
    /// After so long.
    Elapsed(Duration),
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct PingPongReport {
    /// Finished exchanges.
    pub exchanges: u64,
    /// Whole time in seconds.
    pub seconds: f64,
    /// Exchanges per second.
    pub rate_per_second: f64,
    /// From request to whole reply, as the client sees it.
    pub latency: Summary,
    /// TCP at the client.
    pub client: TcpSide,
    /// TCP at the server.
    pub server: TcpSide,
    /// The server's port.
    pub port: u16,
}

impl PingPong {
    /// 64-byte messages without pauses.
    #[must_use]
    pub fn new(client: Place, server: Place, until: Until) -> Self {
        Self {
            client,
            server,
            port: 0,
            request: 64,
            reply: 64,
            think: Duration::ZERO,
            until,
        }
    }

    /// Drives it to its end.
    pub fn drive(&self, stop: &Stop) -> Result<PingPongReport, TrafficError> {
        let places = [&self.client, &self.server];
        let serve = |announce| {
            let action = format!("answer requests in {}", self.server.netns);
            self.serve(&announce).map_err(TrafficError::socket(action))
        };
        let call = |server| {
            let action = format!("exchange messages from {} with {server}", self.client.netns);
            self.call(server, stop)
                .map_err(TrafficError::socket(action))
        };
        let (called, served) = pair::run(places, serve, call)?;
        Ok(PingPongReport {
            server: served,
            ..called
        })
    }

    fn serve(&self, announce: &Sender<SocketAddr>) -> io::Result<TcpSide> {
        let (listener, address) = tcp::listen(&self.server, self.port)?;
        announce
            .send(address)
            .map_err(|_| io::ErrorKind::ConnectionAborted)?;
        let mut stream = tcp::accept(&listener)?;
        let mut request = vec![0; self.request.max(1)];
        let reply = vec![b'r'; self.reply.max(1)];
        let mut sampler = Sampler::default();
        while receive(&mut stream, &mut request)? {
            // The request has carried the acknowledgement of the last reply.
            sampler.sample(&stream)?;
            stream.write_all(&reply)?;
        }
        sampler.finish(&stream)
    }

    fn call(&self, server: SocketAddr, stop: &Stop) -> io::Result<PingPongReport> {
        let mut stream = tcp::connect(server)?;
        let request = vec![b'q'; self.request.max(1)];
        let mut reply = vec![0; self.reply.max(1)];
        let mut latencies = Vec::new();
        let mut sampler = Sampler::default();
        let begun = Instant::now();
        while !stop.is_set() && self.goes_on(latencies.len(), begun) {
            let asked = Instant::now();
            stream.write_all(&request)?;
            stream.read_exact(&mut reply)?;
            latencies.push(asked.elapsed());
            sampler.sample(&stream)?;
            if !self.think.is_zero() {
                thread::sleep(self.think);
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let exchanges = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
        Ok(PingPongReport {
            exchanges: exchanges.into(),
            seconds,
            rate_per_second: f64::from(exchanges) / seconds.max(f64::MIN_POSITIVE),
            latency: Summary::of(&latencies),
            client: sampler.finish(&stream)?,
            server: TcpSide::default(),
            port: server.port(),
        })
    }

    fn goes_on(&self, done: usize, begun: Instant) -> bool {
        match self.until {
            Until::Count(count) => u64::try_from(done).is_ok_and(|done| done < count),
            Until::Elapsed(duration) => begun.elapsed() < duration,
        }
    }
}

/// Reads a whole message; false at an orderly end before its first byte.
fn receive(stream: &mut TcpStream, message: &mut [u8]) -> io::Result<bool> {
    let first = stream.read(message)?;
    if first > 0 {
        stream.read_exact(&mut message[first..])?;
    }
    Ok(first > 0)
}
