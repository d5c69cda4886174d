//! What is sent through a pair of pods. First lightly, one load after the other, so that round trips
//! are those of an idle path; then as much as goes through.

use std::time::Duration;

use crate::traffic::datagrams::Answer;
use crate::traffic::{
    Bulk, BulkReport, Datagrams, DatagramsReport, Ping, PingPong, PingPongReport, PingReport,
    Place, Stop, TrafficError, Until, Volume,
};

/// Pause between two pings or two datagrams.
const GAP: Duration = Duration::from_millis(5);
/// Payload of a datagram: fits every MTU of the lab.
const DATAGRAM: usize = 512;

/// An ordered pair of pods as the drivers want it.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) from: Place,
    pub(super) to: Place,
    /// Pause between two light requests. The observer follows one request per tick of TCP's
    /// timestamps, a millisecond: with a pause as long it follows each, and TCP and observer speak of
    /// the same round trips. But what the server sends is confirmed after the pause only: none where
    /// both ends are clients in turn.
    pub(super) think: Duration,
}

/// What one round of full load has measured.
#[derive(Debug, Clone)]
pub(super) struct Heavy {
    pub(super) requests: PingPongReport,
    pub(super) transfer: BulkReport,
}

/// What one light round has measured.
#[derive(Debug, Clone)]
pub(super) struct Light {
    pub(super) tcp: PingPongReport,
    pub(super) ping: PingReport,
    pub(super) udp: DatagramsReport,
}

impl Route {
    /// Paced requests, pings and echoed datagrams in this time.
    pub(super) fn light(&self, time: Duration, stop: &Stop) -> Result<Light, TrafficError> {
        let [from, to] = [&self.from, &self.to].map(Clone::clone);
        let tcp = PingPong {
            think: self.think,
            ..PingPong::new(from.clone(), to.clone(), Until::Elapsed(time.mul_f64(0.6)))
        };
        let count = echoes(time.mul_f64(0.2));
        let ping = Ping {
            gap: GAP,
            ..Ping::new(from.clone(), to.address, count)
        };
        let udp = Datagrams {
            gap: GAP,
            answer: Answer::Echo,
            ..Datagrams::new(from, to, count, DATAGRAM)
        };
        Ok(Light {
            tcp: tcp.drive(stop)?,
            ping: ping.drive(stop)?,
            udp: udp.drive(stop)?,
        })
    }

    /// Requests without a pause, then one transfer over one connection, in this time.
    pub(super) fn heavy(&self, time: Duration, stop: &Stop) -> Result<Heavy, TrafficError> {
        let [from, to] = [&self.from, &self.to].map(Clone::clone);
        let half = time / 2;
        let requests = PingPong::new(from.clone(), to.clone(), Until::Elapsed(half));
        let transfer = Bulk::new(from, to, Volume::Elapsed(half));
        Ok(Heavy {
            requests: requests.drive(stop)?,
            transfer: transfer.drive(stop)?,
        })
    }
}

/// How many echoes, each with its pause, fit into this time; at least some.
fn echoes(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / GAP.as_millis()).map_or(u32::MAX, |count| count.max(5))
}
