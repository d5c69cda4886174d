//! Far pods that packets leave for as they are, by an underlay. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};

use crate::path::PathTable;

use super::Snapshot;
use super::assemble::ends;

/// The destinations of the paths whose packets left so in this sweep.
#[must_use]
pub fn plain_destinations(snapshot: &Snapshot, paths: &PathTable) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    for (number, pair) in paths.iter() {
        for direction in FlowDirection::ALL {
            let seen = snapshot.seen.direction(number, direction);
            if seen.is_some_and(|seen| leaves_plain(seen.bits)) {
                found.extend(ends(pair, direction).1);
            }
        }
    }
    found
}

/// True if packets left by an underlay without a carrier.
pub(super) fn leaves_plain(bits: u32) -> bool {
    Point::ALL
        .into_iter()
        .filter(|point| point.is_underlay())
        .any(|point| {
            let hook = Hook::Egress;
            bits & (1 << trajectory_bit(Site { point, hook }, Carriage::Plain)) != 0
        })
}
