//! What the kernel and the components themselves say about a scenario while traffic runs: counters of
//! netfilter and of the protocols, route look-ups, tailscaled's own words, and what the traffic
//! measured. Nothing of it comes from the observer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Serialize;

use super::RealError;
use super::RealLab;
use super::counters::{Counters, Kind, Place, hook_name};
use super::load::{self, Carried};
use super::scenario::Expected;
use super::tailscaled;
use crate::lab::LabError;
use crate::oracle::tailscale::Status;
use crate::oracle::{self, Count, Hook, Question, Route, UserMetrics};

/// What was seen of a lab while traffic ran.
#[derive(Debug)]
pub struct Evidence<'a> {
    lab: &'a RealLab,
    nodes: BTreeMap<String, Seen>,
    carried: Vec<Carried>,
}

/// What was seen of a node, or of a pod (which has no counters of netfilter).
#[derive(Debug, Default)]
struct Seen {
    counts: BTreeMap<Place, Count>,
    protocols: oracle::Counters,
    tailscaled: UserMetrics,
}

/// One thing that is so, or is not: a piece of the decisive evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sign {
    /// What should be so.
    pub claim: String,
    /// Whether it is.
    pub holds: bool,
    /// What was seen.
    pub seen: String,
}

impl Sign {
    /// A claim with what was seen of it.
    pub fn new(claim: impl Into<String>, holds: bool, seen: impl Into<String>) -> Self {
        Self {
            claim: claim.into(),
            holds,
            seen: seen.into(),
        }
    }
}

impl<'a> Evidence<'a> {
    /// Drives traffic between all ends of the scenario for so long and looks on.
    pub fn gather(lab: &'a RealLab, duration: Duration) -> Result<Self, RealError> {
        let paths = (lab.scenario().paths)(lab)?;
        let places = places(lab);
        let counters = lab.plan().nodes.iter();
        let counters: Vec<Counters> = counters
            .map(|node| Counters::install(&node.name))
            .collect::<Result<_, _>>()?;
        let before = read(lab, &places)?;
        let carried = load::drive(&paths, duration)?;
        let after = read(lab, &places)?;
        let mut nodes: BTreeMap<String, Seen> = before
            .into_iter()
            .zip(after)
            .map(|((name, before), (_, after))| (name, after.since(&before)))
            .collect();
        for (node, counters) in lab.plan().nodes.iter().zip(&counters) {
            if let Some(seen) = nodes.get_mut(&node.name) {
                seen.counts = counters.read()?;
            }
        }
        // For people: what a pair measured in full, of which signs look at a part.
        let text = serde_json::to_string_pretty(&carried).unwrap_or_default();
        lab.write("traffic.json", &text)?;
        Ok(Self {
            lab,
            nodes,
            carried,
        })
    }

    /// The lab.
    #[must_use]
    pub fn lab(&self) -> &'a RealLab {
        self.lab
    }

    /// Packets of a kind at a hook of a node's device; 0 where there is no such device.
    #[must_use]
    pub fn packets(&self, node: &str, device: &str, hook: Hook, kind: Kind) -> u64 {
        self.counted(node, device, hook, kind).unwrap_or_default()
    }

    /// The same; none where there is no such device.
    #[must_use]
    pub fn counted(&self, node: &str, device: &str, hook: Hook, kind: Kind) -> Option<u64> {
        let place = (device.to_owned(), hook_name(hook), kind);
        let count = self.nodes.get(node)?.counts.get(&place)?;
        Some(count.packets)
    }

    /// Packets of a kind that leave a node by any of these devices.
    #[must_use]
    pub fn left(&self, node: &str, devices: &[&str], kind: Kind) -> u64 {
        let devices = devices.iter();
        devices
            .map(|device| self.packets(node, device, Hook::Egress, kind))
            .sum()
    }

    /// What a counter of the protocols has grown by, in a node or a pod: `IpFragCreates`.
    #[must_use]
    pub fn grown(&self, place: &str, counter: &str) -> i64 {
        let seen = self.nodes.get(place);
        seen.map_or(0, |seen| seen.protocols.get(counter))
    }

    /// What counters of a machine's tailscaled have grown by, those that bear all these labels.
    #[must_use]
    pub fn tailscaled(&self, place: &str, name: &str, labels: &[(&str, &str)]) -> i64 {
        let seen = self.nodes.get(place);
        seen.map_or(0, |seen| seen.tailscaled.sum(name, labels))
    }

    /// What a machine's tailscaled says of itself and its peers.
    pub fn status(&self, place: &str) -> Result<Status, RealError> {
        Ok(tailscaled::status(self.lab, place)?)
    }

    /// What the traffic of one pair measured.
    pub fn carried(&self, path: &Expected) -> Result<&Carried, RealError> {
        let mut all = self.carried.iter();
        all.find(|own| own.from == path.from && own.target == path.target)
            .ok_or_else(|| LabError::Options(format!("nothing ran from {}", path.from)).into())
    }

    /// The way of what a pod of a node sends to an address: the kernel's own look-up, rules included.
    pub fn route(&self, node: &str, from: Ipv4Addr, to: Ipv4Addr) -> Result<Route, RealError> {
        let question = Question {
            from: Some(from.into()),
            iif: Some("cni0"),
            mark: None,
        };
        Ok(oracle::route::get(node, to, question)?)
    }

    /// The way of what a node itself sends to an address, with a mark if any.
    pub fn own_route(
        &self,
        node: &str,
        to: Ipv4Addr,
        mark: Option<u32>,
    ) -> Result<Route, RealError> {
        let question = Question {
            mark,
            ..Question::default()
        };
        Ok(oracle::route::get(node, to, question)?)
    }
}

impl Seen {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: BTreeMap::new(),
            protocols: self.protocols.since(&earlier.protocols),
            tailscaled: self.tailscaled.since(&earlier.tailscaled),
        }
    }
}

/// Nodes and pods.
fn places(lab: &RealLab) -> Vec<String> {
    let nodes = lab.plan().nodes.iter();
    nodes
        .flat_map(|node| std::iter::once(&node.name).chain(&node.pods))
        .cloned()
        .collect()
}

/// Readings of every place, with its name.
fn read(lab: &RealLab, places: &[String]) -> Result<Vec<(String, Seen)>, RealError> {
    let readings = places.iter().map(|place| {
        let protocols = oracle::Counters::read(place)?;
        let socket = tailscaled::socket(lab, place);
        let tailscaled = if socket.exists() {
            UserMetrics::of_daemon(&socket)?
        } else {
            UserMetrics::default()
        };
        let seen = Seen {
            counts: BTreeMap::new(),
            protocols,
            tailscaled,
        };
        Ok((place.clone(), seen))
    });
    readings.collect()
}
