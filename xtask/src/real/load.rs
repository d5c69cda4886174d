//! Traffic between the ends of a scenario, with what it measured of itself. It looks at no device and
//! no table.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::RealError;
use super::scenario::{Expected, Outcome};
use crate::traffic::pair::join;
use crate::traffic::probe::{Echoes, Measured, Probe, ProbeServer, Requests, Transfer};
use crate::traffic::{Ping, PingReport, Place, Stop, TrafficError};

/// What the traffic from one end to another measured.
#[derive(Debug, Clone, Serialize)]
pub struct Carried {
    /// Name of the sending pod.
    pub from: String,
    /// Who was asked.
    pub target: Ipv4Addr,
    /// Echo requests of 56 bytes.
    pub echoes: Echoes,
    /// Such as fill a packet of 1228 bytes, which fits every road here when none is at fault.
    pub long: PingReport,
    /// Small requests over TCP.
    pub requests: Requests,
    /// 100 kB towards the sending pod.
    pub down: Transfer,
    /// 40 kB from it.
    pub up: Transfer,
}

/// Where receivers listen.
pub(super) const PORT: u16 = 8080;
/// ICMP payload of a long request.
const LONG: usize = 1200;
/// From one long request to the next, for the first pair and more for each after it: an observer tells
/// peers apart by what they moved.
const GAP: Duration = Duration::from_millis(150);
const SLOWER: Duration = Duration::from_millis(75);

/// How long echo requests run before the rest: what is sent before an observer knows a pair counts for
/// no pair.
const ACQUAINTED: Duration = Duration::from_secs(1);

/// Drives all pairs at the same time, except those that are to stay idle.
pub(super) fn drive(paths: &[Expected], duration: Duration) -> Result<Vec<Carried>, RealError> {
    let busy = paths.iter().filter(|path| path.outcome != Outcome::Idle);
    let busy: Vec<&Expected> = busy.collect();
    let mut servers = BTreeMap::new();
    for path in &busy {
        if let Entry::Vacant(entry) = servers.entry(path.sends_to()) {
            let place = Place::new(&path.to, path.sends_to());
            entry.insert(ProbeServer::serve(&place, PORT)?);
        }
    }
    thread::scope(|scope| {
        let carrying = (0..).zip(&busy).filter_map(|(place, path)| {
            let server = servers.get(&path.sends_to())?;
            let gap = GAP + SLOWER * place;
            Some(scope.spawn(move || carry(path, server, duration, gap)))
        });
        // All of them run before one is waited for.
        let carrying: Vec<_> = carrying.collect();
        carrying.into_iter().map(|one| Ok(join(one)?)).collect()
    })
}

/// Drives one pair.
fn carry(
    path: &Expected,
    server: &ProbeServer,
    duration: Duration,
    gap: Duration,
) -> Result<Carried, TrafficError> {
    let own = SocketAddrV4::new(path.sends_to(), PORT);
    let from = Place::new(&path.from, path.sends_from());
    let count = u32::try_from(duration.as_millis() / gap.as_millis()).unwrap_or(u32::MAX);
    let long = Ping {
        gap,
        payload: LONG,
        ..Ping::new(from.clone(), path.sends_to(), count)
    };
    let rest = duration.saturating_sub(ACQUAINTED);
    let probe = Probe::new(from, SocketAddr::V4(path.via.unwrap_or(own)), rest);
    let stop = Stop::default();
    let (measured, long) = thread::scope(|scope| {
        let long = scope.spawn(|| long.drive(&stop));
        thread::sleep(ACQUAINTED);
        (probe.drive(server, &stop), join(long))
    });
    let Measured {
        ping,
        requests,
        down,
        up,
        ..
    } = measured?;
    Ok(Carried {
        from: path.from.clone(),
        target: path.target,
        echoes: ping,
        long: long?,
        requests,
        down,
        up,
    })
}
