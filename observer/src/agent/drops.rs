//! Watches the packets that the kernel drops for their size. What cannot be seen of them is a named
//! blind spot; the agent lives without.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use observer_ebpf::abi::point::Point;

use crate::diagnosis::{Finding, OversizeFacts, oversize_blackhole, stale_mtu};
use crate::export::Ledger;
use crate::interfaces::Snapshot;
use crate::kernel::{DropWatch, DropsError, Object};
use crate::path::{Devices, PathReport};
use crate::sweep::DropNames;

/// Time between two looks for functions that come with a module, such as those of bridges.
const AGAIN: Duration = Duration::from_mins(1);
/// The modules that are loaded. Reading all symbols takes some 50 ms: only when these have changed.
const MODULES: &str = "/proc/modules";

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

/// The watch and what it lacks.
#[derive(Default)]
pub(super) struct Drops {
    watch: Option<DropWatch>,
    blind: BTreeMap<&'static str, String>,
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
            Err(error) => self.name_blind_spot(&error),
        }
    }

    /// Learns the devices' names, and looks again for places that were not there.
    pub(super) fn follow(&mut self, object: &mut Object, devices: &Snapshot) {
        let named = devices.devices.iter();
        self.devices = named
            .map(|device| (device.ifindex.0, device.name.clone()))
            .collect();
        let is_due = self.looked.is_some_and(|looked| looked.elapsed() >= AGAIN);
        if is_due && self.watch.as_ref().is_some_and(|watch| !watch.knows_all()) {
            self.find_places(object);
        }
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
        for reason in self.blind.keys() {
            ledger.insert(format!("blind_spot.{reason}"), 1);
        }
    }

    fn find_places(&mut self, object: &mut Object) {
        let Some(watch) = &mut self.watch else { return };
        self.looked = Some(Instant::now());
        let modules = loaded();
        if modules.is_some() && modules == self.modules {
            return;
        }
        self.modules = modules;
        match watch.find_places(object) {
            Ok(()) => self.blind.clear(),
            Err(error) => {
                self.blind.clear();
                self.name_blind_spot(&error);
            }
        }
    }

    /// Says it once.
    fn name_blind_spot(&mut self, error: &DropsError) {
        let (reason, why) = (error.reason(), error.to_string());
        if self.blind.get(reason) != Some(&why) {
            tracing::warn!(reason, why, "blind spot: packets dropped for their size");
        }
        self.blind.insert(reason, why);
    }
}

/// The names of all loaded modules; `None` where the kernel has none or does not tell.
fn loaded() -> Option<String> {
    let listed = fs::read_to_string(MODULES).ok()?;
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    Some(names.collect::<Vec<_>>().join(" "))
}
