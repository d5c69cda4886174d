//! Echo requests from a place to an address: loss, round-trip times and refusals.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::icmp::Echo;
use super::{Place, Stop, Summary, TrafficError};
use crate::lab::kernel::Fragmenting;

/// Echo requests, one after the other.
#[derive(Debug, Clone)]
pub struct Ping {
    /// Who asks.
    pub from: Place,
    /// Who is asked.
    pub to: IpAddr,
    /// How many requests.
    pub count: u32,
    /// Pause between two.
    pub gap: Duration,
    /// ICMP payload in bytes; 28 less than the IPv4 packet, 48 less than the IPv6 one.
    pub payload: usize,
    /// Whether requests may be cut.
    pub fragmenting: Fragmenting,
    /// How long a reply may take.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct PingReport {
    /// Requests the kernel took.
    pub sent: u32,
    /// Requests the sender's kernel refused as too long.
    pub refused: u32,
    /// Replies in time.
    pub received: u32,
    /// Round-trip times.
    pub round_trip: Summary,
}

impl Ping {
    /// Requests of 56 bytes every 10 ms, which may be cut.
    #[must_use]
    pub fn new(from: Place, to: impl Into<IpAddr>, count: u32) -> Self {
        Self {
            from,
            to: to.into(),
            count,
            gap: Duration::from_millis(10),
            payload: 56,
            fragmenting: Fragmenting::Allowed,
            patience: Duration::from_secs(1),
        }
    }

    /// The same with packets of exactly this length that nobody may cut.
    #[must_use]
    pub fn with_full_packet(self, length: u32) -> Self {
        let headers = if self.to.is_ipv4() { 28 } else { 48 };
        let payload = usize::try_from(length.saturating_sub(headers)).unwrap_or_default();
        Self {
            payload,
            fragmenting: Fragmenting::Refused,
            ..self
        }
    }

    /// Drives it to its end.
    pub fn drive(&self, stop: &Stop) -> Result<PingReport, TrafficError> {
        let action = format!("ping {} from {}", self.to, self.from.netns);
        self.from
            .run(|| self.send(stop))?
            .map_err(TrafficError::socket(action))
    }

    fn send(&self, stop: &Stop) -> std::io::Result<PingReport> {
        let mut echo = Echo::open(self.to)?;
        echo.set_fragmenting(self.fragmenting)?;
        let (mut sent, mut refused) = (0, 0);
        let mut round_trips = Vec::new();
        for number in 0..self.count {
            if stop.is_set() {
                break;
            }
            if number > 0 && !self.gap.is_zero() {
                thread::sleep(self.gap);
            }
            match echo.exchange(self.payload, self.patience) {
                Ok(round_trip) => {
                    sent += 1;
                    round_trips.extend(round_trip);
                }
                Err(cause) if cause.raw_os_error() == Some(libc::EMSGSIZE) => refused += 1,
                Err(cause) => return Err(cause),
            }
        }
        Ok(PingReport {
            sent,
            refused,
            received: u32::try_from(round_trips.len()).unwrap_or(u32::MAX),
            round_trip: Summary::of(&round_trips),
        })
    }
}
