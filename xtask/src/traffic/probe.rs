//! The measured truth about one pair of places: echoes, small requests, a transfer each way and, if
//! wanted, datagrams, all at the same time. A path that answers nothing, or loses all that is long,
//! is a result and no error; nothing here waits longer than the load lasts and a little.

mod echoes;
mod failures;
mod limit;
mod line;
mod requests;
mod server;
mod transfer;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::limit::Limit;
use super::{Place, Stop, TrafficError, pair};

pub use self::echoes::Echoes;
pub use self::failures::Failures;
pub use self::requests::Requests;
pub use self::server::ProbeServer;
pub use self::transfer::Transfer;

/// A mixed load between a place and an address that a [`ProbeServer`] answers at.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Who asks.
    pub from: Place,
    /// Who is asked; may be another address than the server's own, such as a Service's.
    pub to: SocketAddr,
    /// How long.
    pub lasts: Duration,
    /// Bytes of the transfer towards the asking place.
    pub down: u32,
    /// Bytes of the transfer towards the server.
    pub up: u32,
    /// UDP payload of the datagrams in bytes; none without it.
    pub datagrams: Option<usize>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// How long the load lasted, in seconds.
    pub seconds: f64,
    /// Echo requests of 56 bytes every 250 ms.
    pub ping: Echoes,
    /// Requests and replies of 300 bytes every 100 ms over one connection.
    pub requests: Requests,
    /// The transfer towards the asking place; its sender is the server.
    pub down: Transfer,
    /// The transfer towards the server; its sender is the asking place.
    pub up: Transfer,
    /// Datagrams every 100 ms that the server sends back.
    pub datagrams: Option<Echoes>,
}

/// Numbers every connection of this process, so that both ends can be brought together.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Probe {
    /// 100 kB down, 40 kB up and no datagrams.
    #[must_use]
    pub fn new(from: Place, to: impl Into<SocketAddr>, lasts: Duration) -> Self {
        Self {
            from,
            to: to.into(),
            lasts,
            down: 100_000,
            up: 40_000,
            datagrams: None,
        }
    }

    /// Measures until the time is over, or it is told to stop. `server` is who answers in the end.
    pub fn drive(&self, server: &ProbeServer, stop: &Stop) -> Result<Measured, TrafficError> {
        let begun = Instant::now();
        let limit = Limit::new(begun + self.lasts, stop);
        thread::scope(|scope| {
            let at_place = |work| scope.spawn(move || self.from.run(work));
            let ping = scope.spawn(|| self.from.run(|| echoes::ping(self.to.ip(), &limit)));
            let requests = scope.spawn(|| self.from.run(|| requests::ask(self.to, server, &limit)));
            let [down, up] = [transfer::Way::Down(self.down), transfer::Way::Up(self.up)]
                .map(|way| at_place(move || transfer::run(way, self.to, server, &limit)));
            let datagrams = self.datagrams.map(|size| {
                scope.spawn(move || self.from.run(|| echoes::datagrams(self.to, size, &limit)))
            });
            Ok(Measured {
                ping: pair::join(ping)?,
                requests: pair::join(requests)?,
                down: pair::join(down)?,
                up: pair::join(up)?,
                datagrams: datagrams.map(pair::join).transpose()?,
                seconds: begun.elapsed().as_secs_f64(),
            })
        })
    }

    /// Measures several pairs at the same time; one answer each, in their order.
    #[must_use]
    pub fn drive_all(
        pairs: &[(Self, &ProbeServer)],
        stop: &Stop,
    ) -> Vec<Result<Measured, TrafficError>> {
        thread::scope(|scope| {
            let threads: Vec<_> = pairs
                .iter()
                .map(|(probe, server)| scope.spawn(move || probe.drive(server, stop)))
                .collect();
            threads.into_iter().map(pair::join).collect()
        })
    }
}

/// A number that no other connection of this process has.
fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
