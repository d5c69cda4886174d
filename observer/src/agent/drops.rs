//! Watches the packets that the kernel drops for their size. What cannot be seen of them is a named
//! blind spot; the agent lives without.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use observer_ebpf::abi::drop::Place;
use observer_ebpf::abi::point::Point;

use crate::diagnosis::{Finding, OversizeFacts, oversize_blackhole, stale_mtu};
use crate::export::Ledger;
use crate::interfaces::{Kind, Snapshot};
use crate::kernel::{DropWatch, DropsError, Object};
use crate::path::{Devices, PathReport};
use crate::sweep::DropNames;

/// Time between two looks for functions that come with a module, such as those of bridges.
const AGAIN: Duration = Duration::from_mins(1);
/// The modules that are loaded. Reading all symbols takes some 50 ms: only when these have changed.
const MODULES: &str = "/proc/modules";
/// There where the kernel has IPv6.
const SIX: &str = "/proc/net/if_inet6";
/// There where bridges may hand their frames to netfilter.
const BRIDGE_NETFILTER: &str = "/proc/sys/net/bridge";

/// Runs the rules over the paths whose packets this node drops.
pub(super) fn findings(node: &str, paths: &[PathReport], points: &Devices) -> Vec<Finding> {
    // The MTU that flannel writes for pods is that of its IPv4 device where there are two.
    let of = |point| points.carrying(point, IpAddr::from(Ipv4Addr::UNSPECIFIED));
    let facts = OversizeFacts {
        node,
        paths,
        bridge: of(Point::Bridge),
        overlay: of(Point::Overlay),
    };
    let found = [stale_mtu(&facts), oversize_blackhole(&facts)];
    found.into_iter().flatten().collect()
}

/// The places at which this node may drop packets for their size.
fn places(has_six: bool, bridges: Bridges) -> BTreeSet<Place> {
    let mut places = BTreeSet::from([Place::IpForward, Place::VethToNode]);
    if has_six {
        places.insert(Place::Ip6Forward);
    }
    match bridges {
        Bridges::None => {}
        Bridges::Plain => {
            places.insert(Place::BridgePort);
        }
        Bridges::Filtering => places.extend([Place::BridgePort, Place::BridgeNetfilter]),
    }
    places
}

/// The node's bridges.
#[derive(Clone, Copy)]
enum Bridges {
    None,
    Plain,
    /// They may hand their frames to netfilter.
    Filtering,
}

impl Bridges {
    fn of(devices: &Snapshot) -> Self {
        let mut held = devices.devices.iter();
        if !held.any(|device| device.kind == Kind::Bridge) {
            Self::None
        } else if Path::new(BRIDGE_NETFILTER).exists() {
            Self::Filtering
        } else {
            Self::Plain
        }
    }
}

/// The watch and what it lacks.
#[derive(Default)]
pub(super) struct Drops {
    watch: Option<DropWatch>,
    /// What keeps all or all silent drops from being watched.
    failed: Option<DropsError>,
    wanted: BTreeSet<Place>,
    blind: BTreeMap<&'static str, (u64, String)>,
    looked: Option<Instant>,
    modules: Option<String>,
    devices: BTreeMap<u32, String>,
}

impl Drops {
    /// Begins to count, as far as the kernel and the rights allow.
    pub(super) fn begin(&mut self, object: &mut Object) {
        match DropWatch::begin(object) {
            Ok(watch) => {
                self.watch = Some(watch);
                self.find_places(object);
            }
            Err(error) => self.failed = Some(error),
        }
        self.name_blind_spots();
    }

    /// Learns the devices' names, and looks again for places that were not there.
    pub(super) fn follow(&mut self, object: &mut Object, devices: &Snapshot) {
        let named = devices.devices.iter();
        self.devices = named
            .map(|device| (device.ifindex.0, device.name.clone()))
            .collect();
        let wanted = places(Path::new(SIX).exists(), Bridges::of(devices));
        let is_new = wanted != self.wanted;
        self.wanted = wanted;
        let Some(watch) = &self.watch else { return };
        let is_due = self.looked.is_some_and(|looked| looked.elapsed() >= AGAIN);
        let lacks = is_new && !watch.gaps(&self.wanted).is_empty();
        if lacks || is_due && !watch.knows_all() {
            self.find_places(object);
        }
        self.name_blind_spots();
    }

    /// What names drops; `None` while they are not watched.
    pub(super) fn names(&self) -> Option<DropNames<'_>> {
        self.watch.as_ref().map(|watch| DropNames {
            reasons: watch.reasons(),
            devices: &self.devices,
        })
    }

    /// Adds the blind spots to the ledger.
    pub(super) fn add_to(&self, ledger: &mut Ledger) {
        for (reason, (count, _)) in &self.blind {
            ledger.insert(format!("blind_spot.{reason}"), *count);
        }
    }

    fn find_places(&mut self, object: &mut Object) {
        let Some(watch) = &mut self.watch else { return };
        self.looked = Some(Instant::now());
        let modules = loaded();
        if self.failed.is_none() && self.modules.as_ref() == Some(&modules) {
            return;
        }
        self.failed = watch.find_places(object).err();
        self.modules = Some(modules);
    }

    /// Says each once.
    fn name_blind_spots(&mut self) {
        let gaps = match (&self.failed, &self.watch) {
            (None, Some(watch)) => watch.gaps(&self.wanted),
            _ => Vec::new(),
        };
        let before = std::mem::take(&mut self.blind);
        for error in self.failed.iter().chain(&gaps) {
            let (reason, named) = (error.reason(), (error.count(), error.to_string()));
            if before.get(reason) != Some(&named) {
                let why = &*named.1;
                tracing::warn!(reason, why, "blind spot: packets dropped for their size");
            }
            self.blind.insert(reason, named);
        }
    }
}

/// The names of all loaded modules; none where the kernel has none or does not tell.
fn loaded() -> String {
    let listed = fs::read_to_string(MODULES).unwrap_or_default();
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_has_decides_where_it_may_drop() {
        let names = |six, bridges| places(six, bridges).into_iter().collect::<Vec<_>>();
        let (forward, veth) = (Place::IpForward, Place::VethToNode);
        assert_eq!(names(false, Bridges::None), [forward, veth]);
        let six = Place::Ip6Forward;
        assert_eq!(names(true, Bridges::None), [forward, six, veth]);
        let port = Place::BridgePort;
        assert_eq!(names(false, Bridges::Plain), [forward, port, veth]);
        let filter = Place::BridgeNetfilter;
        assert_eq!(
            names(true, Bridges::Filtering),
            [forward, six, port, filter, veth]
        );
    }
}
