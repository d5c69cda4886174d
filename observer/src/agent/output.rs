//! TEMP
use std::collections::BTreeMap;
use std::time::Duration;
use super::AgentError;
use crate::config::Config;
use crate::diagnosis::Finding;
use crate::latency::RoundTrip;
use crate::path::PathReport;
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format { Table, Json, None }
pub(super) struct Output;
impl Output {
    pub(super) fn start(_config: &Config, _format: Format) -> Result<Self, AgentError> { Ok(Self) }
    pub(super) fn round_trip(&mut self, trip: &RoundTrip) { eprintln!("TRIP {:?} {:?}->{:?} {:?}", trip.side, trip.source, trip.destination, trip.sightings.iter().map(|s|(s.point,s.rtt)).collect::<Vec<_>>()); }
    pub(super) fn report(&mut self, paths: &[PathReport], findings: &[Finding], ledger: BTreeMap<String,u64>, elapsed: Duration) -> Result<(), AgentError> {
        eprintln!("--- {elapsed:?}");
        for p in paths { eprintln!("PATH {:?}->{:?} {:?} {} under={:?} pk={} by={} frag={:?} mtu={:?} peer={:?} local={} pts={:?}", p.source.address, p.destination.address, p.class, p.encapsulation, p.underlay, p.packets, p.bytes, p.fragments, p.mtu, p.peer, p.source_is_local, p.points.iter().map(|(k,v)|(k,v.packets,v.bytes,v.rtt)).collect::<Vec<_>>()); }
        for f in findings { eprintln!("FINDING {f:?}"); }
        eprintln!("LEDGER {:?}", ledger.iter().filter(|(_,v)|**v>0).collect::<Vec<_>>());
        Ok(())
    }
    pub(super) async fn finish(&mut self) {}
}
