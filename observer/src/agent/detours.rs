//! What speaks for a shorter road than a relay: peers that were reached directly before, neighbours that
//! tailscaled asks in vain, and a node that has nothing but a user-mode network. Gathers; the rule
//! judges.

mod asked;
mod before;

use std::net::IpAddr;
use std::time::Instant;

use observer_ebpf::abi::point::{Hook, Point};

use crate::diagnosis::{DirectBefore, Endpoint, SilentNeighbour, UserModeNetwork};
use crate::interfaces::Device;
use crate::path::{Leg, PathReport};
use crate::routing::UnderlayRules;
use asked::Asked;
use before::Before;

/// Asked neighbours and the user-mode network of one node.
#[derive(Default)]
pub(super) struct Detours {
    asked: Asked,
    before: Before,
    pub(super) silent: Vec<SilentNeighbour>,
    pub(super) user_mode: Option<UserModeNetwork>,
}

impl Detours {
    /// Begins a sweep with its discovery messages.
    pub(super) fn take(&mut self, legs: &[Leg; 2], now: Instant) {
        let [came, went] = Hook::ALL.map(|hook| legs.get(hook as usize));
        self.before.begin(now);
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
    pub(super) fn take_path(&mut self, peer: &str, path: &PathReport, leg: &Leg, now: Instant) {
        let samples = path.points.get(&Point::Tunnel);
        let samples = samples.into_iter().flat_map(|point| &point.rtt_samples);
        let mut ends = leg.direct.keys();
        let endpoint = ends.next().copied().filter(|_| ends.next().is_none());
        self.before.take(peer, (path.relay, endpoint), samples, now);
    }

    /// The direct road to a peer that goes by a relay.
    pub(super) fn before(&self, peer: &str) -> Option<DirectBefore> {
        self.before.of(peer)
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

#[cfg(test)]
mod tests;
