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
    /// Echo requests.
    pub echoes: PingReport,
}

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
                    let ping = Ping {
                        gap,
                        ..Ping::new(Place::new(&path.from, path.source), path.target, count)
                    };
                    ping.drive(&Stop::default())
                        .map(|echoes| Carried {
                            from: path.from.clone(),
                            target: path.target,
                            echoes,
                        })
                        .map_err(RealError::from)
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
