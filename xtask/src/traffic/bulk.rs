//! A TCP transfer in one direction: throughput, retransmissions and segment size.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::tcp::{self, Sampler, TcpSide};
use super::{Place, Stop, TrafficError, pair};

/// A transfer from the client to the server.
#[derive(Debug, Clone)]
pub struct Bulk {
    /// Who sends.
    pub client: Place,
    /// Who receives.
    pub server: Place,
    /// The server's port; 0 lets the kernel choose.
    pub port: u16,
    /// How much.
    pub volume: Volume,
}

/// How much is transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// Exactly so many bytes.
    Bytes(u64),
    /// What goes through in this time.
    Elapsed(Duration),
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct BulkReport {
    /// Bytes the receiver has read.
    pub bytes: u64,
    /// From the first byte to the receiver's confirmation, in seconds.
    pub seconds: f64,
    /// Throughput in bits per second.
    pub bits_per_second: f64,
    /// TCP at the sender.
    pub client: TcpSide,
    /// TCP at the receiver.
    pub server: TcpSide,
    /// The server's port.
    pub port: u16,
}

/// Bytes per write: as much as one large segmentation-offload packet chain takes well.
const CHUNK: usize = 256 * 1024;

impl Bulk {
    /// A transfer to a port of the kernel's choice.
    #[must_use]
    pub fn new(client: Place, server: Place, volume: Volume) -> Self {
        Self {
            client,
            server,
            port: 0,
            volume,
        }
    }

    /// Drives it to its end.
    pub fn drive(&self, stop: &Stop) -> Result<BulkReport, TrafficError> {
        let places = [&self.client, &self.server];
        let serve = |announce| {
            let action = format!("receive a transfer in {}", self.server.netns);
            self.receive(&announce)
                .map_err(TrafficError::socket(action))
        };
        let call = |server| {
            let action = format!("send a transfer from {} to {server}", self.client.netns);
            self.send(server, stop)
                .map_err(TrafficError::socket(action))
        };
        let (sent, received) = pair::run(places, serve, call)?;
        Ok(BulkReport {
            server: received,
            ..sent
        })
    }

    fn receive(&self, announce: &Sender<SocketAddr>) -> io::Result<TcpSide> {
        let (listener, address) = tcp::listen(&self.server, self.port)?;
        announce
            .send(address)
            .map_err(|_| io::ErrorKind::ConnectionAborted)?;
        let mut stream = tcp::accept(&listener)?;
        let mut buffer = vec![0; CHUNK];
        let mut total: u64 = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => break,
                length => total += u64::try_from(length).unwrap_or_default(),
            }
        }
        stream.write_all(&total.to_be_bytes())?;
        let mut sampler = Sampler::default();
        sampler.sample(&stream)?;
        sampler.finish(&stream)
    }

    fn send(&self, server: SocketAddr, stop: &Stop) -> io::Result<BulkReport> {
        let mut stream = tcp::connect(server)?;
        let chunk = vec![b'b'; CHUNK];
        let mut sampler = Sampler::default();
        let mut sent: u64 = 0;
        let begun = Instant::now();
        while !stop.is_set() {
            let next = self.next(sent, begun);
            if next == 0 {
                break;
            }
            stream.write_all(&chunk[..next])?;
            sent += u64::try_from(next).unwrap_or_default();
            sampler.sample(&stream)?;
        }
        stream.shutdown(Shutdown::Write)?;
        let mut confirmed = [0; 8];
        stream.read_exact(&mut confirmed)?;
        let seconds = begun.elapsed().as_secs_f64();
        sampler.sample(&stream)?;
        let bytes = u64::from_be_bytes(confirmed);
        Ok(BulkReport {
            bytes,
            seconds,
            bits_per_second: bits(bytes) / seconds.max(f64::MIN_POSITIVE),
            client: sampler.finish(&stream)?,
            server: TcpSide::default(),
            port: server.port(),
        })
    }

    /// Bytes of the next write; 0 at the end.
    fn next(&self, sent: u64, begun: Instant) -> usize {
        match self.volume {
            Volume::Bytes(bytes) => usize::try_from(bytes.saturating_sub(sent))
                .unwrap_or(CHUNK)
                .min(CHUNK),
            Volume::Elapsed(duration) if begun.elapsed() < duration => CHUNK,
            Volume::Elapsed(_) => 0,
        }
    }
}

/// Bits of so many bytes, for a rate.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate needs no more than 52 bits"
)]
fn bits(bytes: u64) -> f64 {
    bytes as f64 * 8.0
}
