//! A map of fixed capacity in which the oldest entry makes room for a new one.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Values by key.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: RefCell<(HashMap<K, V>, VecDeque<K>)>,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: RefCell::new((HashMap::new(), VecDeque::new())),
            capacity,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.entries.borrow().0.get(key).copied()
    }

    /// Stores a value; one that the key has is replaced in its place.
    pub(super) fn put(&self, key: K, value: V) {
        let (values, order) = &mut *self.entries.borrow_mut();
        if values.insert(key, value).is_some() {
            return;
        }
        order.push_back(key);
        if order.len() > self.capacity
            && let Some(oldest) = order.pop_front()
        {
            values.remove(&oldest);
        }
    }

    /// All entries.
    pub(super) fn all(&self) -> Vec<(K, V)> {
        let entries = self.entries.borrow();
        entries
            .0
            .iter()
            .map(|(&key, &value)| (key, value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_makes_room() {
        let recent = Recent::new(2);
        for (key, value) in [('a', 1), ('b', 2), ('a', 3), ('c', 4)] {
            recent.put(key, value);
        }
        assert_eq!(
            ['a', 'b', 'c'].map(|key| recent.get(&key)),
            [None, Some(2), Some(4)]
        );
        assert_eq!(recent.all().len(), 2);
    }
}
