//! A hash map whose values never move and are never removed: what the step holds on to while it
//! inserts others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

use observer_ebpf::step::Inserted;

use super::chunks::Chunks;

/// Values by key, up to a capacity; refuses when full.
#[derive(Debug)]
pub(super) struct Arena<K, V> {
    places: RefCell<HashMap<K, usize>>,
    entries: Chunks<(K, V)>,
}

impl<K: Copy + Eq + Hash, V> Arena<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: RefCell::new(HashMap::new()),
            entries: Chunks::new(capacity),
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let place = *self.places.borrow().get(key)?;
        self.entries.get(place).map(|(_, value)| value)
    }

    /// Makes a value if the key has none.
    pub(super) fn insert(&self, key: &K, make: impl FnOnce() -> V) -> Inserted {
        let mut places = self.places.borrow_mut();
        if places.contains_key(key) {
            return Inserted::Present;
        }
        let place = places.len();
        if place >= self.entries.length() {
            return Inserted::Refused;
        }
        match self.entries.get_or_make(place, || (*key, make())) {
            Some(_) => {
                places.insert(*key, place);
                Inserted::New
            }
            None => Inserted::Refused,
        }
    }

    /// All entries in the order of their insertion.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().map(|(_, (key, value))| (*key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_arena_refuses_and_keeps_what_it_has() {
        let arena = Arena::new(2);
        assert_eq!(arena.insert(&'a', || 1), Inserted::New);
        let first = arena.get(&'a');
        assert_eq!(arena.insert(&'b', || 2), Inserted::New);
        assert_eq!(arena.insert(&'a', || 3), Inserted::Present);
        assert_eq!(arena.insert(&'c', || 4), Inserted::Refused);
        assert_eq!(first, Some(&1));
        let held: Vec<_> = arena.iter().map(|(key, value)| (key, *value)).collect();
        assert_eq!(held, [('a', 1), ('b', 2)]);
    }
}
