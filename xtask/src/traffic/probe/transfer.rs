//! One transfer in one direction: whether it comes to an end, and how fast.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failures::kind;
use super::limit::Limit;
use super::line::{Header, Line};
use super::{ProbeServer, number};
use crate::lab::kernel::tcp_info;
use crate::traffic::TcpSide;
use crate::traffic::tcp::Sampler;

/// How long the handshake may take.
const CONNECT: Duration = Duration::from_secs(8);
/// What the server confirms an upload with.
const CONFIRMATION: u32 = 1;

/// A direction, seen from the asking place, and so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Down(u32),
    Up(u32),
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Transfer {
    /// Bytes that were to be transferred.
    pub wanted: u32,
    /// Bytes that have arrived, as far as the asking place knows.
    pub bytes: u32,
    /// Whether all have, in time.
    pub completed: bool,
    /// How long the handshake took, in microseconds.
    pub connect_us: Option<f64>,
    /// From the request to the last byte or the confirmation, or to when it was given up.
    pub seconds: f64,
    /// Throughput in bits per second.
    pub bits_per_second: f64,
    /// TCP at the sender. All zero if the request for a transfer down was lost.
    pub sender: TcpSide,
    /// The asking place's port.
    pub port: u16,
    /// Why it did not complete, for example `connect: timed out`.
    pub failure: Option<String>,
}

/// Transfers once, until the limit.
pub(super) fn run(way: Way, to: SocketAddr, server: &ProbeServer, limit: &Limit<'_>) -> Transfer {
    let (Way::Down(wanted) | Way::Up(wanted)) = way;
    let mut transfer = Transfer {
        wanted,
        ..Transfer::default()
    };
    match Line::open(to, limit.within(CONNECT)) {
        Err(cause) => transfer.failure = Some(kind("connect", &cause)),
        Ok(line) => {
            if let Err(cause) = transfer.over(line, way, server, limit) {
                transfer.failure = Some(kind("transfer", &cause));
            }
        }
    }
    transfer.completed = transfer.failure.is_none();
    transfer
}

impl Transfer {
    /// Transfers over an open connection.
    fn over(
        &mut self,
        mut line: Line,
        way: Way,
        server: &ProbeServer,
        limit: &Limit<'_>,
    ) -> io::Result<()> {
        self.connect_us = Some(line.connect.as_secs_f64() * 1e6);
        self.port = line.stream.local_addr()?.port();
        let number = number();
        let (brings, wants) = match way {
            Way::Down(bytes) => (0, bytes),
            Way::Up(bytes) => (bytes, CONFIRMATION),
        };
        let header = Header {
            number,
            brings,
            wants,
        };
        let begun = Instant::now();
        let mut heard = 0;
        let done = line
            .ask(header, *limit)
            .and_then(|()| line.hear(wants, &mut heard, *limit));
        self.seconds = begun.elapsed().as_secs_f64();
        match way {
            Way::Down(_) => {
                self.bytes = heard;
                self.sender = server.side(number).unwrap_or_default();
            }
            Way::Up(bytes) => {
                let mut sampler = Sampler::default();
                sampler.sample(&line.stream)?;
                self.sender = sampler.finish(&line.stream)?;
                self.bytes = match done {
                    Ok(()) => bytes,
                    Err(_) => acknowledged(&line)?.min(bytes),
                };
            }
        }
        self.bits_per_second = f64::from(self.bytes) * 8.0 / self.seconds.max(f64::MIN_POSITIVE);
        done
    }
}

/// Bytes that the other end's kernel has, less those of the handshake and the header.
fn acknowledged(line: &Line) -> io::Result<u32> {
    let bytes = tcp_info(&line.stream)?.tcpi_bytes_acked;
    let own = 1 + u64::try_from(super::line::HEADER).unwrap_or_default();
    Ok(u32::try_from(bytes.saturating_sub(own)).unwrap_or(u32::MAX))
}
