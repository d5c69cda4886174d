//! Sums that the kernel keeps by path: what is new in each sweep, and which entries may go. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use observer_ebpf::abi::FIRST_PATH;

/// Sweeps without growth after which an entry may go: five minutes at the default interval.
pub(super) const QUIET: u16 = 60;
/// Entries from which on the quiet ones go, which ends their sums: three quarters of the kernel's room.
pub(super) const CROWDED: usize = 768;

/// A key of such an entry.
pub(super) trait OfPath: Copy + Eq + Hash {
    /// The path's number.
    fn path(&self) -> u16;
}

/// A value of such an entry.
pub(super) trait Packets: Copy {
    /// Packets so far.
    fn packets(&self) -> u64;
}

/// What sweeps saw of one entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum<V> {
    pub(super) value: V,
    /// Packets since the sweep before.
    pub(super) recent: u64,
    /// Sweeps without a further one.
    pub(super) quiet: u16,
}

/// All entries of this and of the last sweep.
#[derive(Clone, Debug)]
pub(super) struct Sums<K, V> {
    now: HashMap<K, Sum<V>>,
    before: HashMap<K, Sum<V>>,
}

impl<K, V> Default for Sums<K, V> {
    fn default() -> Self {
        Self {
            now: HashMap::new(),
            before: HashMap::new(),
        }
    }
}

impl<K: OfPath, V: Packets> Sums<K, V> {
    /// Begins a sweep.
    pub(super) fn begin(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// Takes an entry of the sweep.
    pub(super) fn add(&mut self, key: K, value: V) {
        let before = self.before.get(&key);
        let known = before.map_or(0, |before| before.value.packets());
        let packets = value.packets();
        // An entry that is smaller than before is another one: the former was removed.
        let recent = packets.checked_sub(known).unwrap_or(packets);
        let quiet = before.map_or(0, |before| before.quiet.saturating_add(1));
        let quiet = if recent > 0 { 0 } else { quiet };
        let sum = Sum {
            value,
            recent,
            quiet,
        };
        self.now.insert(key, sum);
    }

    /// The entries of the sweep.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &Sum<V>)> {
        self.now.iter()
    }

    /// True if an entry of the path has grown since the sweep before.
    pub(super) fn has_grown(&self, path: u16) -> bool {
        let mut held = self.iter();
        held.any(|(key, sum)| key.path() == path && sum.recent > 0)
    }

    /// Forgets the entries of paths for which `is_gone` holds and, where there is little room left, those
    /// that have not grown for long; they are to be removed.
    pub(super) fn retire(&mut self, is_gone: impl Fn(u16) -> bool) -> Vec<K> {
        let is_crowded = self.now.len() >= CROWDED;
        let is_over = |key: &K, sum: &mut Sum<V>| {
            is_crowded && sum.quiet >= QUIET || key.path() >= FIRST_PATH && is_gone(key.path())
        };
        let over = self.now.extract_if(is_over);
        over.map(|(key, _)| key).collect()
    }
}
