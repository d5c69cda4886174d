//! Traffic between the ends of a scenario, with what it measured of itself. It looks at no device and
//! no table.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::RealError;
use super::RealLab;
use super::scenario::{Expected, Outcome};
use crate::traffic::{Ping, PingReport, Place, Stop};

/// What the traffic from one end to another measured.
#[derive(Debug, Clone, Serialize)]
pub struct Carried {
    /// Name of the sending pod.
    pub from: String,
    /// Who was asked.
    pub target: Ipv4Addr,
    /// Echo requests of 56 bytes.
    pub echoes: PingReport,
    /// Such as fill a packet of 1228 bytes, which fits every road here when none is at fault.
    pub long: PingReport,
}

/// ICMP payload of a long request.
const LONG: usize = 1200;

/// Drives all pairs at the same time, except those that are to stay idle.
pub(super) fn drive(
    lab: &RealLab,
    paths: &[Expected],
    duration: Duration,
) -> Result<Vec<Carried>, RealError> {
    let gap = Duration::from_millis(200);
    let _ = lab;
    thread::scope(|scope| {
        let busy = paths.iter().filter(|path| path.outcome != Outcome::Idle);
        let threads: Vec<_> = busy
            .map(|path| {
                scope.spawn(move || {
                    let count = (duration.as_millis() / gap.as_millis()) as u32;
                    let from = Place::new(&path.from, path.sends_from());
                    let short = Ping {
                        gap,
                        ..Ping::new(from, path.sends_to(), count)
                    };
                    let long = Ping {
                        payload: LONG,
                        ..short.clone()
                    };
                    let stop = Stop::default();
                    thread::scope(|both| {
                        let long = both.spawn(|| long.drive(&stop));
                        let echoes = short.drive(&stop)?;
                        let long = long
                            .join()
                            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                        Ok(Carried {
                            from: path.from.clone(),
                            target: path.target,
                            echoes,
                            long,
                        })
                    })
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
