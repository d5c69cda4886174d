//! Packets that this node's kernel dropped for their size, by place, device and path: cumulative in the
//! kernel, with what is new in each sweep. Pure.

use std::collections::BTreeMap;

use observer_ebpf::abi::drop::{DropKey, DropRecord, Place};
use observer_ebpf::abi::point::FlowDirection;

use super::sums::{OfPath, Packets, Sums};
use crate::path::Dropped;

impl OfPath for DropKey {
    fn path(&self) -> u16 {
        self.path
    }
}

impl Packets for DropRecord {
    fn packets(&self) -> u64 {
        self.packets
    }
}

/// All drops.
#[derive(Clone, Debug, Default)]
pub struct DropStore(Sums<DropKey, DropRecord>);

/// What names the kernel's numbers.
#[derive(Clone, Copy, Debug)]
pub struct DropNames<'a> {
    /// Reasons by number.
    pub reasons: &'a BTreeMap<u32, String>,
    /// Devices of this namespace by number.
    pub devices: &'a BTreeMap<u32, String>,
}

impl DropStore {
    /// Begins a sweep.
    pub fn begin(&mut self) {
        self.0.begin();
    }

    /// Takes an entry of the sweep.
    pub fn add(&mut self, key: DropKey, value: DropRecord) {
        self.0.add(key, value);
    }

    /// True if packets of the path were dropped since the sweep before.
    #[must_use]
    pub fn has_grown(&self, path: u16) -> bool {
        self.0.has_grown(path)
    }

    /// The drops of one direction of a path, most packets first.
    #[must_use]
    pub fn of(&self, path: u16, direction: FlowDirection, names: DropNames<'_>) -> Vec<Dropped> {
        let is_own = |key: &DropKey| (key.path, key.direction) == (path, direction as u8);
        let own = self.0.iter().filter(|(key, _)| is_own(key));
        let mut dropped: Vec<_> = own
            .filter_map(|(key, seen)| {
                let reason = names.reasons.get(&key.reason);
                Some(Dropped {
                    place: Place::from_number(key.place)?,
                    reason: reason.cloned().unwrap_or_else(|| key.reason.to_string()),
                    device: names.devices.get(&key.ifindex).cloned(),
                    mtu: seen.value.mtu,
                    packets: seen.value.packets,
                    recent: seen.recent,
                    bytes: seen.value.bytes,
                    largest: seen.value.largest,
                    quiet: seen.quiet,
                })
            })
            .collect();
        dropped.sort_by(|one, other| {
            let order = |dropped: &Dropped| (std::cmp::Reverse(dropped.packets), dropped.place);
            (order(one), &one.device).cmp(&(order(other), &other.device))
        });
        dropped
    }

    /// Forgets the entries of paths for which `is_gone` holds and, where there is little room left, those
    /// without a drop for long; they are to be removed.
    pub fn retire(&mut self, is_gone: impl Fn(u16) -> bool) -> Vec<DropKey> {
        self.0.retire(is_gone)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sums::{CROWDED, QUIET};
    use super::*;

    const DIRECTION: FlowDirection = FlowDirection::HighToLow;

    fn key(path: u16, place: Place) -> DropKey {
        DropKey {
            ifindex: 7,
            reason: 2,
            path,
            place: place as u8,
            direction: DIRECTION as u8,
        }
    }

    fn sweep(store: &mut DropStore, entries: &[(DropKey, u64)]) {
        store.begin();
        for &(key, packets) in entries {
            let value = DropRecord {
                packets,
                bytes: packets * 1_400,
                largest: 1_400,
                mtu: 1_230,
            };
            store.add(key, value);
        }
    }

    fn of(store: &DropStore, path: u16) -> Vec<Dropped> {
        let names = DropNames {
            reasons: &BTreeMap::from([(2, "NOT_SPECIFIED".to_owned())]),
            devices: &BTreeMap::from([(7, "veth7".to_owned())]),
        };
        store.of(path, DIRECTION, names)
    }

    #[test]
    fn what_is_new_is_the_difference_of_two_sweeps() {
        let mut store = DropStore::default();
        let port = key(5, Place::BridgePort);
        for (packets, recent, quiet) in [(3, 3, 0), (10, 7, 0), (10, 0, 1), (11, 1, 0)] {
            sweep(&mut store, &[(port, packets)]);
            let found = of(&store, 5);
            assert_eq!(
                (found[0].packets, found[0].recent, found[0].quiet),
                (packets, recent, quiet)
            );
            assert_eq!(store.has_grown(5), recent > 0);
        }
        assert!(of(&store, 6).is_empty() && !store.has_grown(6));
    }

    #[test]
    fn drops_bear_the_names_of_device_and_reason() {
        let mut store = DropStore::default();
        let unknown = DropKey {
            ifindex: 8,
            reason: 99,
            ..key(5, Place::Other)
        };
        sweep(&mut store, &[(unknown, 1), (key(5, Place::VethToPod), 2)]);
        let found = of(&store, 5);
        let named: Vec<_> = found
            .iter()
            .map(|dropped| {
                (
                    dropped.place,
                    dropped.reason.as_str(),
                    dropped.device.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            named,
            [
                (Place::VethToPod, "NOT_SPECIFIED", Some("veth7")),
                (Place::Other, "99", None)
            ]
        );
    }

    #[test]
    fn entries_of_paths_that_are_gone_are_removed_and_a_new_one_counts_whole() {
        let mut store = DropStore::default();
        let [gone, host] = [5, 0].map(|path| key(path, Place::IpForward));
        sweep(&mut store, &[(gone, 4), (host, 1)]);
        let found = store.retire(|path| path == 5 || path == 0);
        assert_eq!(found, [gone]);
        sweep(&mut store, &[(gone, 4), (host, 1)]);
        assert_eq!(of(&store, 5)[0].recent, 4);
        // Removed and made again between two sweeps.
        sweep(&mut store, &[(gone, 3), (host, 1)]);
        assert_eq!((of(&store, 5)[0].recent, store.has_grown(5)), (3, true));
    }

    #[test]
    fn quiet_entries_keep_their_sums_while_there_is_room() {
        let crowd = u16::try_from(CROWDED).expect("few");
        for (entries, wanted) in [(crowd - 1, 0), (crowd, usize::from(crowd) - 1)] {
            let mut store = DropStore::default();
            for count in 0..=u64::from(QUIET) {
                let busy = (key(0, Place::IpForward), 1 + count);
                let quiet = (1..entries).map(|path| (key(path, Place::IpForward), 1));
                let all: Vec<_> = quiet.chain([busy]).collect();
                sweep(&mut store, &all);
            }
            assert_eq!(store.retire(|_| false).len(), wanted);
            assert_eq!(of(&store, 0).len(), 1);
        }
    }
}
