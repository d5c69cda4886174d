//! One sampled round trip as this node saw it.

use std::net::IpAddr;

use observer_ebpf::abi::point::{Hook, Point};

use super::Identity;

/// Which end of the round trip this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The pod that sent the data is here.
    Source,
    /// The pod that answered is here.
    Destination,
    /// Neither: the node only forwarded, or no pod point was seen.
    Transit,
}

/// What one point says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Observation point.
    pub point: Point,
    /// Hook that the reply passed.
    pub reply_hook: Hook,
    /// Monotonic nanoseconds when the reply passed.
    pub reply_time: u64,
    /// Nanoseconds from the data's passage to the reply's.
    pub rtt: u64,
}

impl Sighting {
    /// Monotonic nanoseconds when the data passed.
    #[must_use]
    pub const fn forward_time(&self) -> u64 {
        self.reply_time.saturating_sub(self.rtt)
    }
}

/// A sampled round trip: data from `source` to `destination`, and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Its name on every node.
    pub identity: Identity,
    /// This node's end.
    pub side: Side,
    /// The data's sender and its port.
    pub source: (IpAddr, u16),
    /// The data's receiver and its port.
    pub destination: (IpAddr, u16),
    /// IP protocol.
    pub protocol: u8,
    /// Path number of the biflow.
    pub path: u16,
    /// One per point, in the order in which the data passed them.
    pub sightings: Vec<Sighting>,
}
