//! MTUs that ICMP errors announced to pods of this node: cumulative in the kernel, with what is new in each
//! sweep. Pure.

use std::collections::HashMap;

use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::point::FlowDirection;

use crate::path::Announced;

/// Sweeps without an error after which an entry is forgotten: five minutes at the default interval.
const QUIET: u16 = 60;

/// All announced MTUs.
#[derive(Clone, Debug, Default)]
pub struct AnnouncedStore {
    now: HashMap<AnnouncedKey, Announced>,
    before: HashMap<AnnouncedKey, Announced>,
}

impl AnnouncedStore {
    /// Begins a sweep.
    pub fn begin(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// Takes an entry of the sweep.
    pub fn add(&mut self, key: AnnouncedKey, packets: u64) {
        let before = self.before.get(&key);
        let known = before.map_or(0, |before| before.packets);
        let recent = packets.saturating_sub(known);
        let quiet = before.map_or(0, |before| before.quiet.saturating_add(1));
        let announced = Announced {
            from: key.sender.into(),
            number: key.mtu,
            packets,
            recent,
            quiet: if recent > 0 { 0 } else { quiet },
        };
        self.now.insert(key, announced);
    }

    /// True if a sender of the path was told since the sweep before.
    #[must_use]
    pub fn has_grown(&self, path: u16) -> bool {
        let mut held = self.now.iter();
        held.any(|(key, told)| key.path == path && told.recent > 0)
    }

    /// What the senders of one direction of a path were told, most packets first.
    #[must_use]
    pub fn of(&self, path: u16, direction: FlowDirection) -> Vec<Announced> {
        let is_own = |key: &AnnouncedKey| (key.path, key.direction) == (path, direction as u8);
        let own = self.now.iter().filter(|(key, _)| is_own(key));
        let mut told: Vec<_> = own.map(|(_, told)| told.clone()).collect();
        told.sort_by_key(|told| (std::cmp::Reverse(told.packets), told.from, told.number));
        told
    }

    /// Entries to remove: of paths for which `is_gone` holds, and those without an error for long.
    pub fn retire(&self, is_gone: impl Fn(u16) -> bool) -> Vec<AnnouncedKey> {
        let is_over = |(key, told): &(&AnnouncedKey, &Announced)| {
            told.quiet >= QUIET || key.path >= FIRST_PATH && is_gone(key.path)
        };
        let over = self.now.iter().filter(is_over);
        over.map(|(&key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTION: FlowDirection = FlowDirection::HighToLow;

    fn key(path: u16, mtu: u32) -> AnnouncedKey {
        AnnouncedKey {
            mtu,
            path,
            direction: DIRECTION as u8,
            ..AnnouncedKey::default()
        }
    }

    fn sweep(store: &mut AnnouncedStore, entries: &[(AnnouncedKey, u64)]) {
        store.begin();
        for &(key, packets) in entries {
            store.add(key, packets);
        }
    }

    #[test]
    fn what_is_new_is_the_difference_of_two_sweeps() {
        let mut store = AnnouncedStore::default();
        for (packets, recent, quiet) in [(3, 3, 0), (10, 7, 0), (10, 0, 1), (11, 1, 0)] {
            sweep(&mut store, &[(key(5, 1_230), packets), (key(5, 0), 1)]);
            let found = &store.of(5, DIRECTION)[0];
            let found = (found.number, found.packets, found.recent, found.quiet);
            assert_eq!(found, (1_230, packets, recent, quiet));
            assert_eq!(store.has_grown(5), recent > 0);
        }
        assert!(store.of(6, DIRECTION).is_empty() && !store.has_grown(6));
        assert!(store.of(5, FlowDirection::LowToHigh).is_empty());
    }

    #[test]
    fn entries_of_paths_that_are_gone_and_quiet_ones_are_removed() {
        let mut store = AnnouncedStore::default();
        let (gone, quiet, unknown) = (key(5, 1_230), key(6, 1_230), key(0, 1_230));
        sweep(&mut store, &[(gone, 1), (quiet, 1), (unknown, 1)]);
        let retired = |store: &AnnouncedStore| store.retire(|path| path == 5 || path == 0);
        assert_eq!(retired(&store), [gone]);
        for more in 1..=u64::from(QUIET) {
            sweep(&mut store, &[(quiet, 1), (unknown, 1 + more)]);
        }
        assert_eq!(retired(&store), [quiet]);
    }
}
