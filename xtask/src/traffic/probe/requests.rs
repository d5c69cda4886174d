//! Small requests over one connection, begun again after a failure: what an interactive
//! application sees.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failures::Failures;
use super::limit::Limit;
use super::line::{HEADER, Header, Line};
use super::{ProbeServer, number};
use crate::traffic::tcp::Sampler;
use crate::traffic::{Summary, TcpSide};

/// Bytes of a request with its header, and of a reply.
const MESSAGE: u32 = 300;
/// From one request to the next.
const GAP: Duration = Duration::from_millis(100);
/// How long a handshake or a reply may take: two losses of a first packet.
const PATIENCE: Duration = Duration::from_secs(4);
/// A step that the end of the load cuts off has failed if it has waited that long by then.
const LATE: Duration = Duration::from_secs(1);

/// What came of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Requests {
    /// Requests that were answered whole.
    pub answered: u32,
    /// From request to whole reply.
    pub latency: Summary,
    /// Handshakes that succeeded, and how long they took.
    pub connect: Summary,
    /// TCP where it was asked, over all connections.
    pub client: TcpSide,
    /// TCP where it was answered, over the last connection.
    pub server: TcpSide,
    /// What failed.
    pub failures: Failures,
}

/// What is collected meanwhile.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    connects: Vec<Duration>,
    sampler: Sampler,
    failures: Failures,
    server: TcpSide,
    port: u16,
}

/// Asks until the limit.
pub(super) fn ask(to: SocketAddr, server: &ProbeServer, limit: &Limit<'_>) -> Requests {
    let mut seen = Seen::default();
    let mut next = Instant::now();
    while limit.wait_until(next) {
        let begun = Instant::now();
        match Line::open(to, limit.within(PATIENCE)) {
            Ok(line) => seen.converse(line, server, limit),
            Err(cause) => seen.fail("connect", &cause, begun, limit),
        }
        next = Instant::now() + GAP;
    }
    Requests {
        answered: u32::try_from(seen.latencies.len()).unwrap_or(u32::MAX),
        latency: Summary::of(&seen.latencies),
        connect: Summary::of(&seen.connects),
        client: TcpSide {
            port: seen.port,
            ..seen.sampler.side()
        },
        server: seen.server,
        failures: seen.failures,
    }
}

impl Seen {
    /// Asks over one connection until it fails or the limit comes.
    fn converse(&mut self, mut line: Line, server: &ProbeServer, limit: &Limit<'_>) {
        self.connects.push(line.connect);
        self.port = line.stream.local_addr().map_or(0, |own| own.port());
        self.sampler.reconnect();
        let number = number();
        let mut next = Instant::now();
        while limit.wait_until(next) {
            let begun = Instant::now();
            next = begun + GAP;
            let answered = exchange(&mut line, number, limit.within(PATIENCE));
            let sampled = self.sampler.sample(&line.stream);
            match answered.and_then(|latency| sampled.map(|()| latency)) {
                Ok(latency) => self.latencies.push(latency),
                Err(cause) => {
                    self.fail("exchange", &cause, begun, limit);
                    break;
                }
            }
        }
        self.server = server.side(number).unwrap_or_default();
    }

    /// Counts a failed step, unless only the end of the load has cut it off.
    fn fail(&mut self, step: &str, cause: &io::Error, begun: Instant, limit: &Limit<'_>) {
        if limit.left().is_some() || begun.elapsed() >= LATE {
            self.failures.count(step, cause);
        }
    }
}

fn exchange(line: &mut Line, number: u32, limit: Limit<'_>) -> io::Result<Duration> {
    let begun = Instant::now();
    let header = Header {
        number,
        brings: MESSAGE - u32::try_from(HEADER).unwrap_or_default(),
        wants: MESSAGE,
    };
    line.ask(header, limit)?;
    line.hear(MESSAGE, &mut 0, limit)?;
    Ok(begun.elapsed())
}
