//! What the kernel's routing says of the outer flows of a sweep, asked once per peer and sweep, and
//! the findings that rest on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use observer_ebpf::abi::point::{Hook, Point};

use super::detours::Detours;
use crate::diagnosis::{
    DetourFacts, Endpoint, Finding, MixedFacts, PairFacts, double_encapsulation, mixed_peers,
    relay_detour,
};
use crate::interfaces::{Device as Interface, NetlinkError, Snapshot as Devices, WantedUnderlays};
use crate::path::{Class, Devices as Points, Leg, PathReport, RelayMode, RelayModes, UnderlayKind};
use crate::routing::{BYPASS_MARK, RouteQuestion, Routing, UnderlayRules, underlay_kind};
use crate::sweep::{OuterFlows, Snapshot};

/// How long a WireGuard session may be used (`REJECT_AFTER_TIME`, WireGuard paper section 6.1): its
/// endpoint counts as active that long, so that a silent peer behind a router still forbids a fix
/// that would cut it off.
const SESSION: Duration = Duration::from_mins(3);

/// Sweeps without a packet after which a path has no findings.
const LIVE: u16 = 6;

/// Answers of the kernel about this sweep's peers.
pub(super) struct Roads {
    routing: Routing,
    rules: UnderlayRules,
    underlays: HashMap<(Point, IpAddr), UnderlayKind>,
    strays: BTreeSet<IpAddr>,
    endpoints: Vec<Endpoint>,
    active: BTreeMap<IpAddr, Instant>,
    detours: Detours,
}

impl Roads {
    pub(super) fn open(rules: UnderlayRules) -> Result<Self, NetlinkError> {
        let (underlays, endpoints) = (HashMap::new(), Vec::new());
        Ok(Self {
            routing: Routing::open()?,
            rules,
            underlays,
            strays: BTreeSet::new(),
            endpoints,
            active: BTreeMap::new(),
            detours: Detours::default(),
        })
    }

    /// The line to the kernel's tables.
    pub(super) const fn routing(&mut self) -> &mut Routing {
        &mut self.routing
    }

    /// The devices that outer packets are routed through.
    pub(super) fn wanted_underlays(
        &mut self,
        devices: &[Interface],
        outer: &OuterFlows,
    ) -> Result<WantedUnderlays, NetlinkError> {
        let endpoints: Vec<_> = outer
            .busy_sessions()
            .into_keys()
            .map(|session| session.endpoint)
            .collect();
        self.routing.wanted_underlays(devices, &endpoints)
    }

    /// Asks for the peers of a new sweep.
    pub(super) fn refresh(
        &mut self,
        snapshot: &Snapshot,
        relay: &RelayModes,
        points: &Points,
        devices: &Devices,
    ) -> Result<(), NetlinkError> {
        let outer = &snapshot.outer;
        self.underlays.clear();
        let peers: Vec<_> = outer
            .all_peers()
            .filter(|(point, _)| point.is_underlay())
            .collect();
        for (point, peer) in peers {
            let Some(device) = points.first(point) else {
                continue;
            };
            let answer = self.routing.route(RouteQuestion::to(peer))?;
            if let Some(kind) = underlay_kind(&answer, &device.name, peer, &self.rules) {
                self.underlays.insert((point, peer), kind);
            }
        }
        let now = Instant::now();
        let busy = outer.busy_sessions().into_keys();
        self.active
            .extend(busy.map(|session| (session.endpoint, now)));
        self.active
            .retain(|_, used| now.duration_since(*used) < SESSION);
        self.endpoints.clear();
        let active: Vec<_> = self.active.keys().copied().collect();
        for address in active {
            let endpoint = self.endpoint(address, points, devices)?;
            self.endpoints.push(endpoint);
        }
        self.detours.take(&snapshot.legs, now);
        let mut unanswered = Vec::new();
        for (address, asked) in self.detours.unanswered() {
            unanswered.push((self.endpoint(address, points, devices)?, asked));
        }
        self.detours.set_silent(unanswered);
        self.refresh_relays(relay, devices)
    }

    /// Asks by which devices the relays in use are reached.
    fn refresh_relays(
        &mut self,
        relay: &RelayModes,
        devices: &Devices,
    ) -> Result<(), NetlinkError> {
        let (mode, leg) = relay.proof(Hook::Egress);
        let mut reached_by = Vec::new();
        for (relay, _) in leg.relays().filter(|_| mode == RelayMode::Derp) {
            let answer = self.routing.route(bypassing(relay.ip()))?;
            reached_by.extend(answer.device.and_then(|ifindex| devices.device(ifindex)));
        }
        self.detours
            .set_user_mode(&reached_by, &devices.devices, &self.rules);
        Ok(())
    }

    /// Where tailscaled's packets to an address go.
    fn endpoint(
        &mut self,
        address: IpAddr,
        points: &Points,
        devices: &Devices,
    ) -> Result<Endpoint, NetlinkError> {
        let answer = self.routing.route(bypassing(address))?;
        let device = answer.device.and_then(|ifindex| devices.device(ifindex));
        let is_user_mode =
            device.is_some_and(|device| self.rules.user_mode_address(device).is_some());
        let device = device.map_or_else(String::new, |device| device.name.clone());
        // An endpoint that is not reached as a neighbour on an observed underlay counts as far, and
        // nobody is a neighbour in a user-mode network.
        let is_underlay = points
            .iter()
            .any(|(point, held)| point.is_underlay() && held.name == device);
        let underlay = underlay_kind(&answer, &device, address, &self.rules);
        Ok(Endpoint {
            address,
            device,
            on_link: answer.is_on_link() && is_underlay && !is_user_mode && underlay.is_some(),
            underlay: underlay.unwrap_or(UnderlayKind::Wan),
        })
    }

    /// Asks for the far pods that packets leave for as they are. A pod without a route of its own, or of
    /// its network, is looked for outside the cluster.
    pub(super) fn follow_plain(
        &mut self,
        destinations: BTreeSet<IpAddr>,
    ) -> Result<(), NetlinkError> {
        self.strays.clear();
        for destination in destinations {
            if self.routing.matched(RouteQuestion::to(destination))? == Some(0) {
                self.strays.insert(destination);
            }
        }
        Ok(())
    }

    /// Far pods that the kernel finds by a default route alone.
    pub(super) const fn strays(&self) -> &BTreeSet<IpAddr> {
        &self.strays
    }

    /// Kind of underlay per (point, peer).
    pub(super) const fn underlays(&self) -> &HashMap<(Point, IpAddr), UnderlayKind> {
        &self.underlays
    }

    /// Runs the rules over the paths that leave a pod of this node; one finding per cause and peer
    /// node.
    pub(super) fn findings(
        &mut self,
        node: &str,
        paths: &[PathReport],
        relay: &RelayModes,
    ) -> Vec<Finding> {
        let (_, leg) = relay.proof(Hook::Egress);
        let mut findings: Vec<Finding> = Vec::new();
        let live: Vec<_> = paths
            .iter()
            .filter(|path| path.source_is_local && path.idle <= LIVE && !path.superseded)
            .collect();
        let relayed = live.iter().filter(|path| path.relay == RelayMode::Derp);
        let relayed: BTreeSet<_> = relayed.map(|path| peer(path)).collect();
        let now = Instant::now();
        for path in live.iter().filter(|path| is_one_road(path.relay, relay)) {
            self.detours.take_path(&peer(path), path, leg, now);
        }
        let vxlan = in_vxlan(&live, leg);
        for path in live {
            let mixed = mixed_peers(&MixedFacts {
                node,
                path,
                vxlan,
                leg,
                endpoints: &self.endpoints,
            });
            let peer = peer(path);
            let before = self.detours.before(&peer);
            let encapsulation = double_encapsulation(&PairFacts {
                node,
                path,
                peer: &peer,
                endpoints: &self.endpoints,
            });
            let detour = relay_detour(&DetourFacts {
                node,
                path,
                peer: &peer,
                leg,
                relayed_peers: relayed.len(),
                before: before.as_ref(),
                silent: &self.detours.silent,
                user_mode: self.detours.user_mode.as_ref(),
            });
            for found in encapsulation.into_iter().chain(mixed).chain(detour) {
                let is_it = |known: &&mut Finding| {
                    (known.cause, &known.subject) == (found.cause, &found.subject)
                };
                match findings.iter_mut().find(is_it) {
                    Some(known) if known.cost < found.cost => *known = found,
                    Some(_) => {}
                    None => findings.push(found),
                }
            }
        }
        findings
    }
}

/// What the tunnel got in VXLAN, in bytes of the messages it makes.
fn in_vxlan(live: &[&PathReport], leg: &Leg) -> u64 {
    let wrapped = live
        .iter()
        .filter(|path| path.class == Some(Class::VxlanTailscale));
    let peers: BTreeSet<_> = wrapped.filter_map(|path| path.peer).collect();
    let crossed = peers.iter().filter_map(|peer| leg.peers.get(peer));
    crossed.map(|crossed| crossed.bytes).sum()
}

/// Whether the round trips of a sweep are all those of one road: no change of it is under way, and of a
/// direct one the answers come back directly too.
fn is_one_road(mode: RelayMode, relay: &RelayModes) -> bool {
    let (back, _) = relay.proof(Hook::Ingress);
    let is_direct_back = back == RelayMode::Direct && relay.is_steady(Hook::Ingress);
    relay.is_steady(Hook::Egress) && (mode != RelayMode::Direct || is_direct_back)
}

/// The question for a packet of tailscaled's own.
fn bypassing(address: IpAddr) -> RouteQuestion {
    RouteQuestion {
        mark: BYPASS_MARK,
        ..RouteQuestion::to(address)
    }
}

/// The peer node: its VTEP, else the far pod.
fn peer(path: &PathReport) -> String {
    let far = path.peer.or(path.destination.address);
    far.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Leg;

    /// What is known after rounds of (answers that came, data that left).
    fn after(rounds: &[[&Leg; 2]]) -> RelayModes {
        let mut modes = RelayModes::default();
        for round in rounds {
            modes.advance(&round.map(Clone::clone), |_| true);
        }
        modes
    }

    #[test]
    fn a_round_trip_is_a_roads_while_nothing_changes_and_the_answers_take_it_too() {
        let bytes = 9_000;
        let mut direct = Leg {
            tunnel: bytes,
            ..Leg::default()
        };
        let mut derp = direct.clone();
        direct.direct.insert([192, 0, 2, 1].into(), bytes);
        derp.tcp.insert(([192, 0, 2, 9], 443).into(), bytes);
        let [both, back, none] = [[&direct; 2], [&derp, &direct], [&derp; 2]];
        for (rounds, mode, is_one) in [
            (&[both, both][..], RelayMode::Direct, true),
            (&[both, both, none], RelayMode::Direct, false),
            (&[both, both, back], RelayMode::Direct, false),
            (&[back, back], RelayMode::Direct, false),
            (&[none, none], RelayMode::Derp, true),
            (&[none, none, both], RelayMode::Derp, false),
        ] {
            assert_eq!(is_one_road(mode, &after(rounds)), is_one, "{rounds:?}");
        }
    }
}
