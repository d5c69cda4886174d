//! S4a and S4b: after a change of the pod network's MTU a device of this node has kept the old one, and
//! packets that are too long for it are dropped, with a word to the sender or without. What another
//! node's kernel tells the senders here is a rule of its own.

mod announced;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use observer_ebpf::abi::drop::Place;

use crate::path::{Device, Dropped, Oversize, PathReport};

use super::{Cause, Evidence, Finding, Fix, Subject};
pub use announced::{AnnouncedFacts, stale_mtu_elsewhere};
use told::Told;

/// What the rules look at for one node.
#[derive(Clone, Copy, Debug)]
pub struct OversizeFacts<'a> {
    /// This node.
    pub node: &'a str,
    /// All its paths.
    pub paths: &'a [PathReport],
    /// The pod bridge.
    pub bridge: Option<&'a Device>,
    /// The VXLAN device.
    pub overlay: Option<&'a Device>,
}

/// Packets to judge by: one may have been on its way while the MTUs were changed.
const ENOUGH: u64 = 2;
/// What a lost packet costs at least: the shortest wait of TCP before it sends again (kernel:
/// include/net/tcp.h, `TCP_RTO_MIN`), nanoseconds.
const WAIT: u64 = 200_000_000;

/// Finds that the bridge is narrower than the overlay whose packets it is to hand on: the kernel drops
/// them while forwarding, and tells the senders.
#[must_use]
pub fn stale_mtu(facts: &OversizeFacts<'_>) -> Option<Finding> {
    let (bridge, overlay) = (facts.bridge?, facts.overlay?);
    let is_forwarded = |dropped: &Dropped| {
        let by_forwarding = matches!(dropped.place, Place::IpForward | Place::Ip6Forward);
        by_forwarding && dropped.device.as_ref() == Some(&bridge.name)
    };
    let lost = Lost::of(facts.paths, |_, dropped| is_forwarded(dropped))?;
    if bridge.mtu >= overlay.mtu {
        return None;
    }
    let (name, mtu, whole) = (&bridge.name, bridge.mtu, overlay.mtu);
    Some(Finding {
        cause: Cause::StaleMtu,
        subject: subject(facts),
        confidence: 0.95,
        cost: lost.round_trip,
        evidence: vec![
            Evidence {
                id: "kernel_drops",
                text: format!(
                    "{} of up to {} bytes were dropped while forwarding to {name} (kernel reason \
                     {}), on {}",
                    packets(lost.packets),
                    lost.largest,
                    lost.reasons(),
                    lost.paths()
                ),
            },
            Evidence {
                id: "mtu_ladder",
                text: format!("{} has MTU {whole}, {name} behind it {mtu}", overlay.name),
            },
        ]
        .into_iter()
        .chain(lost.told.evidence())
        .collect(),
        fix: Fix {
            id: "cni0-mtu",
            text: format!("on {} run `ip link set {name} mtu {whole}`", facts.node),
            side_effects: vec![
                format!("{name} no longer follows the MTUs of its ports"),
                format!(
                    "pods from before keep their MTU, and their ports may be too narrow then: \
                     recreate those that have less than {whole}"
                ),
            ],
        },
        refuted_by: format!("senders for which {mtu} bytes are meant to be the limit"),
    })
}

/// Finds ports and pods that are narrower than the bridge: what is too long for them disappears, and
/// nobody is told. A sender that a router has told as little is not in the dark: its path does not count.
#[must_use]
pub fn oversize_blackhole(facts: &OversizeFacts<'_>) -> Option<Finding> {
    let is_dark = |found: &Oversize, dropped: &Dropped| {
        let told = found.announced_mtu();
        dropped.place.is_silent() && told.is_none_or(|mtu| mtu > dropped.mtu)
    };
    let lost = Lost::of(facts.paths, is_dark)?;
    let bridge = facts.bridge?;
    let narrow: Vec<_> = lost
        .devices
        .iter()
        .map(|((place, device), (mtu, addresses))| {
            let what = if *place == Place::VethToPod {
                format!("the pod's end of {device}")
            } else {
                device.clone()
            };
            let pods: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            (format!("{what} has MTU {mtu}"), pods.join(", "))
        })
        .collect();
    let pods: BTreeSet<_> = narrow.iter().map(|(_, pods)| pods.as_str()).collect();
    let pods = pods.into_iter().collect::<Vec<_>>().join(", ");
    let mtus: Vec<_> = narrow.iter().map(|(mtu, _)| mtu.as_str()).collect();
    Some(Finding {
        cause: Cause::OversizeBlackhole,
        subject: subject(facts),
        confidence: 0.95,
        cost: WAIT,
        evidence: vec![
            Evidence {
                id: "kernel_drops",
                text: format!(
                    "{} of up to {} bytes were dropped between bridge and pod (kernel reason {}), \
                     on {}",
                    packets(lost.packets),
                    lost.largest,
                    lost.reasons(),
                    lost.paths()
                ),
            },
            Evidence {
                id: "nobody_told",
                text: "no ICMP is sent from there: senders repeat and wait".to_owned(),
            },
            Evidence {
                id: "mtu_ladder",
                text: format!(
                    "{} has MTU {}, {}",
                    bridge.name,
                    bridge.mtu,
                    mtus.join(", ")
                ),
            },
        ]
        .into_iter()
        .chain(lost.told.evidence())
        .collect(),
        fix: Fix {
            id: "recreate-pods",
            text: format!(
                "recreate the pods with these addresses on {}, so that both ends of their veths get \
                 the MTU of today: {pods} (`kubectl get pods -A -o wide` names them, `kubectl \
                 delete pod NAME` recreates one of a Deployment)",
                facts.node
            ),
            side_effects: vec!["the connections of those pods are cut".to_owned()],
        },
        refuted_by: "a veth that was narrowed on purpose, in a pod that sends and gets no more"
            .to_owned(),
    })
}

fn subject(facts: &OversizeFacts<'_>) -> Subject {
    Subject {
        nodes: vec![facts.node.to_owned()],
    }
}

fn packets(count: u64) -> String {
    format!("{count} packets")
}

/// The drops of a kind that go on, over all paths.
struct Lost {
    packets: u64,
    largest: u32,
    /// Median round trip of the slowest path, nanoseconds; 0 if none was timed.
    round_trip: u64,
    reasons: BTreeSet<String>,
    paths: BTreeSet<String>,
    /// Narrow devices, with their MTU and the pods behind them.
    devices: BTreeMap<(Place, String), (u32, BTreeSet<IpAddr>)>,
    /// What the senders of these paths on this node were told.
    told: Told,
}

impl Lost {
    /// `None` if they are too few to judge by.
    fn of(paths: &[PathReport], is_meant: impl Fn(&Oversize, &Dropped) -> bool) -> Option<Self> {
        let mut lost = Self {
            packets: 0,
            largest: 0,
            round_trip: 0,
            reasons: BTreeSet::new(),
            paths: BTreeSet::new(),
            devices: BTreeMap::new(),
            told: Told::default(),
        };
        for path in paths {
            let Some(found) = &path.oversize else {
                continue;
            };
            let mut meant = found.live().filter(|dropped| is_meant(found, dropped));
            if let Some(first) = meant.next() {
                lost.add(path, first);
                meant.for_each(|dropped| lost.add(path, dropped));
                lost.told.add(path, found.told());
            }
        }
        (lost.packets >= ENOUGH).then_some(lost)
    }

    fn add(&mut self, path: &PathReport, dropped: &Dropped) {
        self.packets += dropped.packets;
        self.largest = self.largest.max(dropped.largest);
        self.round_trip = self.round_trip.max(slowest(path));
        self.reasons.insert(dropped.reason.clone());
        self.paths.extend(ends(path));
        let device = dropped.device.clone().unwrap_or_else(|| "?".to_owned());
        let held = self.devices.entry((dropped.place, device));
        let (mtu, pods) = held.or_default();
        *mtu = dropped.mtu;
        let behind = if dropped.place == Place::VethToNode {
            path.source.address
        } else {
            path.destination.address
        };
        pods.extend(behind);
    }

    fn reasons(&self) -> String {
        let reasons: Vec<_> = self.reasons.iter().map(String::as_str).collect();
        reasons.join(", ")
    }

    fn paths(&self) -> String {
        first_of(&self.paths)
    }
}

/// Both ends of a path, where they are known.
fn ends(path: &PathReport) -> Option<String> {
    let (source, destination) = (path.source.address?, path.destination.address?);
    Some(format!("{source} > {destination}"))
}

/// The first of some paths, and how many more there are.
fn first_of(paths: &BTreeSet<String>) -> String {
    let more = paths.len().saturating_sub(1);
    match (paths.first(), more) {
        (None, _) => "traffic of unknown pairs".to_owned(),
        (Some(first), 0) => first.clone(),
        (Some(first), 1) => format!("{first} and 1 more path"),
        (Some(first), more) => format!("{first} and {more} more paths"),
    }
}

/// The median round trip at the point of a path where it is longest, nanoseconds; 0 if none was timed.
fn slowest(path: &PathReport) -> u64 {
    let timed = path.points.values().filter_map(|point| point.rtt);
    timed.map(|rtt| rtt.p50).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
