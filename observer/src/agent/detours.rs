//! What speaks for a shorter road than a relay: peers that were reached directly before, neighbours that
//! tailscaled asks in vain, and a node that has nothing but a user-mode network. Gathers; the rule
//! judges.

mod asked;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use observer_ebpf::abi::point::{Hook, Point};

use crate::diagnosis::{DirectBefore, Endpoint, SilentNeighbour, UserModeNetwork};
use crate::interfaces::Device;
use crate::path::{Leg, PathReport, RelayMode};
use crate::routing::UnderlayRules;
use asked::Asked;

/// Round trips of either road before they are compared.
const ENOUGH: u64 = 8;
/// Roads are compared by the round trips that one in so many does not exceed. The others have a pause
/// of the far end in them: it acknowledges with its next data, or after 40 ms and more (RFC 1122,
/// section 4.2.3.2).
const QUICK: u64 = 10;
/// Peers that are remembered: as many as there are path numbers.
const PEERS: usize = 512;

/// Asked neighbours and the user-mode network of one node.
#[derive(Default)]
pub(super) struct Detours {
    asked: Asked,
    peers: BTreeMap<String, Roads>,
    pub(super) silent: Vec<SilentNeighbour>,
    pub(super) user_mode: Option<UserModeNetwork>,
}

/// Round trips behind the tunnel to one peer.
#[derive(Default)]
struct Roads {
    direct: Samples,
    relayed: Samples,
    endpoint: Option<IpAddr>,
}

/// Samples by the lower edge of their bucket, nanoseconds.
#[derive(Default)]
struct Samples(BTreeMap<u64, u64>);

impl Detours {
    /// Takes the discovery messages of a sweep.
    pub(super) fn take(&mut self, legs: &[Leg; 2], now: Instant) {
        let [came, went] = Hook::ALL.map(|hook| legs.get(hook as usize));
        self.asked.begin(now);
        for (&address, &messages) in went.into_iter().flat_map(|leg| &leg.disco) {
            self.asked.sent(address, messages, now);
        }
        for &address in came.into_iter().flat_map(|leg| leg.disco.keys()) {
            self.asked.came(address, now);
        }
    }

    /// Takes the newest round trips of a path that leaves a pod of this node; `leg` is what its mode
    /// was said of.
    pub(super) fn take_path(&mut self, peer: &str, path: &PathReport, leg: &Leg) {
        if self.peers.len() >= PEERS && !self.peers.contains_key(peer) {
            return;
        }
        let samples = path.points.get(&Point::Tunnel);
        let samples = samples.into_iter().flat_map(|point| &point.rtt_samples);
        match path.relay {
            RelayMode::Direct => {
                let roads = self.peers.entry(peer.to_owned()).or_default();
                roads.direct.add(samples);
                roads.relayed = Samples::default();
                let mut ends = leg.direct.keys();
                roads.endpoint = ends.next().copied().filter(|_| ends.next().is_none());
            }
            RelayMode::Derp => {
                let roads = self.peers.entry(peer.to_owned()).or_default();
                roads.relayed.add(samples);
            }
            RelayMode::None | RelayMode::Unknown | RelayMode::Overlay | RelayMode::PeerRelay => {}
        }
    }

    /// The direct road to a peer that goes by a relay.
    pub(super) fn before(&self, peer: &str) -> Option<DirectBefore> {
        let roads = self.peers.get(peer)?;
        Some(DirectBefore {
            endpoint: roads.endpoint,
            round_trip: roads.direct.quick()?,
            relayed: roads.relayed.quick()?,
        })
    }

    /// Those that did not answer lately, with the number of messages to them.
    pub(super) fn unanswered(&self) -> Vec<(IpAddr, u64)> {
        self.asked.unanswered()
    }

    /// Keeps the unanswered ones that are neighbours by a device of a real network.
    pub(super) fn set_silent(&mut self, unanswered: Vec<(Endpoint, u64)>) {
        let neighbours = unanswered
            .into_iter()
            .filter(|(endpoint, _)| endpoint.on_link);
        self.silent = neighbours
            .map(|(endpoint, asked)| SilentNeighbour { endpoint, asked })
            .collect();
    }

    /// Judges the devices that the relays in use are reached by: a user-mode network, and no network
    /// that machines of one host share beside it.
    pub(super) fn set_user_mode(
        &mut self,
        reached_by: &[&Device],
        all: &[Device],
        rules: &UnderlayRules,
    ) {
        let has_vmnet = all.iter().any(|device| rules.is_vmnet(device));
        let mut found = reached_by.iter().filter_map(|device| {
            let address = rules.user_mode_address(device)?;
            let device = device.name.clone();
            Some(UserModeNetwork { device, address })
        });
        self.user_mode = found.next().filter(|_| !has_vmnet);
    }
}

impl Samples {
    fn add<'a>(&mut self, samples: impl Iterator<Item = &'a (u64, Option<u64>, u32)>) {
        for &(low, _, count) in samples {
            *self.0.entry(low).or_default() += u64::from(count);
        }
    }

    /// The lower edge of the bucket that the quickest tenth ends in, once there are enough.
    fn quick(&self) -> Option<u64> {
        let count: u64 = self.0.values().sum();
        if count < ENOUGH {
            return None;
        }
        let mut below = 0;
        let quick = self.0.iter().find(|(_, samples)| {
            below += **samples;
            below * QUICK >= count
        });
        quick.map(|(&low, _)| low)
    }
}

#[cfg(test)]
mod tests;
