//! MTUs that ICMP errors announced to pods of this node: cumulative in the kernel, with what is new in each
//! sweep. Pure.

use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::point::FlowDirection;

use super::sums::{OfPath, Packets, Sums};
use crate::path::Announced;

impl OfPath for AnnouncedKey {
    fn path(&self) -> u16 {
        self.path
    }
}

impl Packets for u64 {
    fn packets(&self) -> u64 {
        *self
    }
}

/// All announced MTUs.
#[derive(Clone, Debug, Default)]
pub struct AnnouncedStore(Sums<AnnouncedKey, u64>);

impl AnnouncedStore {
    /// Begins a sweep.
    pub fn begin(&mut self) {
        self.0.begin();
    }

    /// Takes an entry of the sweep.
    pub fn add(&mut self, key: AnnouncedKey, packets: u64) {
        self.0.add(key, packets);
    }

    /// True if a sender of the path was told since the sweep before.
    #[must_use]
    pub fn has_grown(&self, path: u16) -> bool {
        self.0.has_grown(path)
    }

    /// What the senders of one direction of a path were told, most packets first.
    #[must_use]
    pub fn of(&self, path: u16, direction: FlowDirection) -> Vec<Announced> {
        let is_own = |key: &AnnouncedKey| (key.path, key.direction) == (path, direction as u8);
        let own = self.0.iter().filter(|(key, _)| is_own(key));
        let told = own.map(|(key, sum)| Announced {
            from: key.sender.into(),
            number: key.mtu,
            packets: sum.value,
            recent: sum.recent,
            quiet: sum.quiet,
        });
        let mut told: Vec<_> = told.collect();
        told.sort_by_key(|told| (std::cmp::Reverse(told.packets), told.from, told.number));
        told
    }

    /// Forgets the entries of paths for which `is_gone` holds and, where there is little room left, those
    /// without an error for long; they are to be removed.
    pub fn retire(&mut self, is_gone: impl Fn(u16) -> bool) -> Vec<AnnouncedKey> {
        self.0.retire(is_gone)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sums::QUIET;
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
    fn entries_of_paths_that_are_gone_are_removed_and_a_new_one_counts_whole() {
        let mut store = AnnouncedStore::default();
        let [gone, unknown] = [5, 0].map(|path| key(path, 1_230));
        sweep(&mut store, &[(gone, 4), (unknown, 1)]);
        assert_eq!(store.retire(|path| path == 5 || path == 0), [gone]);
        sweep(&mut store, &[(gone, 4), (unknown, 1)]);
        assert_eq!(store.of(5, DIRECTION)[0].recent, 4);
    }

    #[test]
    fn quiet_entries_keep_their_sums_while_there_is_room() {
        let mut store = AnnouncedStore::default();
        for _ in 0..=u64::from(QUIET) {
            sweep(&mut store, &[(key(6, 1_230), 1)]);
        }
        assert_eq!(store.retire(|_| false), []);
        assert_eq!(store.of(6, DIRECTION)[0].quiet, QUIET);
    }
}
