//! What the kernel's routing says of the outer flows of a sweep, asked once per peer and sweep, and
//! the findings that rest on it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use observer_ebpf::abi::point::Point;

use crate::diagnosis::{Endpoint, Finding, PairFacts, double_encapsulation};
use crate::interfaces::{Device as Interface, NetlinkError, Snapshot as Devices, WantedUnderlays};
use crate::path::{Device, PathReport, UnderlayKind};
use crate::routing::{BYPASS_MARK, RouteQuestion, Routing, UnderlayRules, underlay_kind};
use crate::sweep::OuterFlows;

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
    endpoints: Vec<Endpoint>,
    active: BTreeMap<IpAddr, Instant>,
}

impl Roads {
    pub(super) fn open(rules: UnderlayRules) -> Result<Self, NetlinkError> {
        let (underlays, endpoints) = (HashMap::new(), Vec::new());
        Ok(Self {
            routing: Routing::open()?,
            rules,
            underlays,
            endpoints,
            active: BTreeMap::new(),
        })
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
        outer: &OuterFlows,
        points: &BTreeMap<Point, Device>,
        devices: &Devices,
    ) -> Result<(), NetlinkError> {
        self.underlays.clear();
        let peers: Vec<_> = outer
            .all_peers()
            .filter(|(point, _)| point.is_underlay())
            .collect();
        for (point, peer) in peers {
            let Some(device) = points.get(&point) else {
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
        for &address in self.active.keys() {
            let question = RouteQuestion {
                mark: BYPASS_MARK,
                ..RouteQuestion::to(address)
            };
            let answer = self.routing.route(question)?;
            let device = answer.device.and_then(|ifindex| devices.device(ifindex));
            let device = device.map_or_else(String::new, |device| device.name.clone());
            // An endpoint that is not reached as a neighbour on an observed underlay counts as far.
            let is_underlay = points
                .iter()
                .any(|(point, held)| point.is_underlay() && held.name == device);
            let underlay = underlay_kind(&answer, &device, address, &self.rules);
            self.endpoints.push(Endpoint {
                address,
                device,
                on_link: answer.is_on_link() && is_underlay && underlay.is_some(),
                underlay: underlay.unwrap_or(UnderlayKind::Wan),
            });
        }
        Ok(())
    }

    /// Kind of underlay per (point, peer).
    pub(super) const fn underlays(&self) -> &HashMap<(Point, IpAddr), UnderlayKind> {
        &self.underlays
    }

    /// Runs the rules over the paths that leave a pod of this node; one finding per peer node.
    pub(super) fn findings(&self, node: &str, paths: &[PathReport]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let is_live =
            |path: &&PathReport| path.source_is_local && path.idle <= LIVE && !path.superseded;
        for path in paths.iter().filter(is_live) {
            let peer = peer(path);
            let facts = PairFacts {
                node,
                path,
                peer: &peer,
                endpoints: &self.endpoints,
            };
            let found = double_encapsulation(&facts);
            findings.extend(
                found.filter(|found| !findings.iter().any(|known| known.subject == found.subject)),
            );
        }
        findings
    }
}

/// The peer node: its VTEP, else the far pod.
fn peer(path: &PathReport) -> String {
    let far = path.peer.or(path.destination.address);
    far.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}
