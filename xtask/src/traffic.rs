//! Traffic between pods, driven from threads inside their namespaces.
//! It measures what applications see; it never looks at packets on the way.

pub mod bulk;
pub mod calls;
pub mod datagrams;
mod error;
pub(crate) mod icmp;
pub(crate) mod pair;
pub mod ping;
pub mod ping_pong;
mod place;
pub mod probe;
pub mod queries;
mod samples;
pub mod scan;
mod stop;
pub mod tcp;

use std::thread;

use serde::Serialize;

pub use self::bulk::{Bulk, BulkReport, Volume};
pub use self::calls::{Accepted, Call, Calls, Servers};
pub use self::datagrams::{Datagrams, DatagramsReport};
pub use self::error::TrafficError;
pub use self::ping::{Ping, PingReport};
pub use self::ping_pong::{PingPong, PingPongReport, Until};
pub use self::place::Place;
pub use self::probe::{Measured, Probe, ProbeServer};
pub use self::queries::{Queries, QueriesReport, Resolvers};
pub use self::samples::Summary;
pub use self::scan::{Scan, ScanReport};
pub use self::stop::Stop;
pub use self::tcp::TcpSide;
pub use crate::lab::kernel::Fragmenting;

/// Something to send.
#[derive(Debug, Clone)]
pub enum Load {
    /// TCP requests and replies.
    PingPong(PingPong),
    /// A TCP transfer.
    Bulk(Bulk),
    /// UDP datagrams.
    Datagrams(Datagrams),
    /// Echo requests.
    Ping(Ping),
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "load", rename_all = "snake_case")]
pub enum Report {
    /// Of TCP requests and replies.
    PingPong(PingPongReport),
    /// Of a TCP transfer.
    Bulk(BulkReport),
    /// Of UDP datagrams.
    Datagrams(DatagramsReport),
    /// Of echo requests.
    Ping(PingReport),
}

/// Drives one load to its end, or until it is told to stop.
pub fn drive(load: &Load, stop: &Stop) -> Result<Report, TrafficError> {
    match load {
        Load::PingPong(load) => load.drive(stop).map(Report::PingPong),
        Load::Bulk(load) => load.drive(stop).map(Report::Bulk),
        Load::Datagrams(load) => load.drive(stop).map(Report::Datagrams),
        Load::Ping(load) => load.drive(stop).map(Report::Ping),
    }
}

/// Drives several loads at the same time; one answer each, in their order.
#[must_use]
pub fn drive_all(loads: &[Load], stop: &Stop) -> Vec<Result<Report, TrafficError>> {
    thread::scope(|scope| {
        let threads: Vec<_> = loads
            .iter()
            .map(|load| scope.spawn(move || drive(load, stop)))
            .collect();
        threads.into_iter().map(pair::join).collect()
    })
}
