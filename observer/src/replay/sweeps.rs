//! The sweeps of a capture: every one ends an epoch, and says what there is by then. Pure.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};

use observer_ebpf::abi::relay::{RELAYS, RelayKey};

use super::roads;
use super::underlays::underlays;
use crate::host::HostObserver;
use crate::interfaces;
use crate::path::{Devices, PathReport, PathTable, RelayModes};
use crate::record::Bundle;
use crate::routing::{RouteKind, UnderlayRules};
use crate::sweep::{
    Context, Remembered, Snapshot, assemble, crossed, plain_destinations, read_captured,
};
use crate::translation::Known;

/// What does not change from sweep to sweep.
#[derive(Clone, Copy)]
pub(super) struct Fixed<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) devices: &'a [interfaces::Device],
    /// Those at the points.
    pub(super) points: &'a Devices,
    pub(super) rules: &'a UnderlayRules,
    /// Where tailscaled sends its datagrams, if the captures do not show which are its own.
    pub(super) told: &'a BTreeSet<IpAddr>,
    /// Numbers of all pairs.
    pub(super) paths: &'a PathTable,
}

/// What is remembered from sweep to sweep.
#[derive(Default)]
pub(super) struct Sweeps {
    pub(super) snapshot: Snapshot,
    remembered: Remembered,
    pub(super) relay: RelayModes,
    known: Known,
}

impl Sweeps {
    /// Before the first one; `known` are the flows with several keys.
    pub(super) fn new(known: Known) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// Ends an epoch of the capture.
    pub(super) fn sweep(&mut self, fixed: Fixed<'_>, host: &mut HostObserver) -> Vec<PathReport> {
        let Fixed { bundle, paths, .. } = fixed;
        let snapshot = &mut self.snapshot;
        let epoch = host.control.epoch;
        host.control.epoch = epoch.wrapping_add(1);
        read_captured(host, snapshot, epoch, fixed.told);
        let peers = crossed(snapshot, paths, &self.remembered);
        for (leg, peers) in snapshot.legs.iter_mut().zip(peers) {
            leg.peers = peers;
        }
        self.relay
            .advance(&snapshot.legs, |path| paths.pair(path).is_some());
        for relay in self.relay.awaited().into_iter().take(RELAYS as usize) {
            if host.relays.len() < RELAYS as usize + bundle.tailscale.relays.len() {
                host.relays.insert(key(relay));
            }
        }
        host.control.relays = count(&host.relays);
        let routes = &bundle.routes;
        let known = (fixed.devices, routes);
        let is_stray = |destination: &IpAddr| {
            roads::route(routes, *destination).is_some_and(|route| {
                route.kind == RouteKind::Unicast && route.destination.length() == 0
            })
        };
        let plain = plain_destinations(snapshot, paths).into_iter();
        let strays: BTreeSet<_> = plain.filter(is_stray).collect();
        let mut context = Context {
            drops: None,
            node: &bundle.node,
            devices: fixed.points,
            underlays: &underlays(&snapshot.outer, fixed.points, known, fixed.rules),
            strays: &strays,
            translations: &self.known,
            remembered: &mut self.remembered,
            relay: &mut self.relay,
        };
        assemble(snapshot, paths, &mut context)
    }
}

/// A relay as the step looks it up.
pub(super) fn key(relay: SocketAddr) -> RelayKey {
    RelayKey::new(relay.ip().into(), relay.port())
}

/// How many there are, as the step wants it.
pub(super) fn count(relays: &HashSet<RelayKey>) -> u32 {
    u32::try_from(relays.len()).unwrap_or(u32::MAX)
}
