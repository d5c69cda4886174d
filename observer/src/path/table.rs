//! Gives path numbers to pairs of addresses. A pair without an entry in two sweeps loses its number;
//! the number is free only after a further sweep, begun when nothing could take it any more, found no
//! entry that carries it: no late packet counts for a stranger.

use std::collections::{HashMap, HashSet};

use observer_ebpf::abi::key::PairKey;
use observer_ebpf::abi::{FIRST_PATH, PATHS};

/// Sweeps without an entry before a pair loses its number.
const IDLE_SWEEPS: u8 = 2;

/// Path numbers and their pairs.
#[derive(Debug, Default)]
pub struct PathTable {
    numbers: HashMap<PairKey, u16>,
    slots: Vec<Slot>,
    free: Vec<u16>,
    refused: HashSet<PairKey>,
}

#[derive(Debug)]
enum Slot {
    Used { pair: PairKey, idle: u8 },
    Leaving,
    Free,
}

/// Refused pairs told apart; further ones are not counted.
const REFUSED: usize = 65_536;

impl PathTable {
    /// The number of a pair; a new one if it has none; `None`, counted, if all are taken. The flag
    /// says that it is new.
    pub fn assign(&mut self, pair: PairKey) -> Option<(u16, bool)> {
        if let Some(&number) = self.numbers.get(&pair) {
            return Some((number, false));
        }
        let number = self.free.pop().or_else(|| self.grow());
        let Some(number) = number else {
            if self.refused.len() < REFUSED {
                self.refused.insert(pair);
            }
            return None;
        };
        self.numbers.insert(pair, number);
        if let Some(slot) = self.slots.get_mut(index(number)) {
            *slot = Slot::Used { pair, idle: 0 };
        }
        Some((number, true))
    }

    /// The pair behind a number.
    #[must_use]
    pub fn pair(&self, number: u16) -> Option<PairKey> {
        self.slots
            .get(number.checked_sub(FIRST_PATH).map(usize::from)?)?
            .pair()
    }

    /// The highest number given so far.
    #[must_use]
    pub fn last(&self) -> u16 {
        u16::try_from(self.slots.len()).map_or(PATHS, |len| FIRST_PATH - 1 + len)
    }

    /// All numbers in use with their pairs.
    pub fn iter(&self) -> impl Iterator<Item = (u16, PairKey)> + '_ {
        (FIRST_PATH..)
            .zip(&self.slots)
            .filter_map(|(number, slot)| slot.pair().map(|pair| (number, pair)))
    }

    /// Ends a sweep that found entries with the numbers for which `is_carried` holds. Returns the
    /// pairs that lose their number.
    pub fn retire(&mut self, is_carried: impl Fn(u16) -> bool) -> Vec<(u16, PairKey)> {
        let mut retired = Vec::new();
        for (number, slot) in (FIRST_PATH..).zip(&mut self.slots) {
            let carried = is_carried(number);
            match slot {
                Slot::Free => {}
                Slot::Leaving if carried => {}
                Slot::Leaving => {
                    *slot = Slot::Free;
                    self.free.push(number);
                }
                Slot::Used { idle, .. } if carried => *idle = 0,
                Slot::Used { idle, .. } if *idle + 1 < IDLE_SWEEPS => *idle += 1,
                Slot::Used { pair, .. } => {
                    self.numbers.remove(pair);
                    retired.push((number, *pair));
                    *slot = Slot::Leaving;
                }
            }
        }
        retired
    }

    /// True while no number is left for a new pair.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= (PATHS - FIRST_PATH) as usize
    }

    /// Pairs that found no number.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.len() as u64
    }

    fn grow(&mut self) -> Option<u16> {
        let number = u16::try_from(self.slots.len())
            .ok()?
            .checked_add(FIRST_PATH)?;
        if number >= PATHS {
            return None;
        }
        self.slots.push(Slot::Free);
        Some(number)
    }
}

impl Slot {
    const fn pair(&self) -> Option<PairKey> {
        match self {
            Self::Used { pair, .. } => Some(*pair),
            Self::Leaving | Self::Free => None,
        }
    }
}

fn index(number: u16) -> usize {
    usize::from(number.saturating_sub(FIRST_PATH))
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::key::Address;

    use super::*;

    fn pair(last: u16) -> PairKey {
        let [high, low] = last.to_be_bytes();
        PairKey {
            low: Address::v4([10, 42, 1, 2]),
            high: Address::v4([10, 43, high, low]),
        }
    }

    #[test]
    fn a_pair_keeps_its_number() {
        let mut table = PathTable::default();
        assert_eq!(table.assign(pair(1)), Some((4, true)));
        assert_eq!(table.assign(pair(2)), Some((5, true)));
        assert_eq!(table.assign(pair(1)), Some((4, false)));
        assert_eq!(table.pair(5), Some(pair(2)));
        assert_eq!(table.pair(3), None);
    }

    #[test]
    fn a_number_is_reused_a_sweep_after_its_pair_lost_it() {
        let mut table = PathTable::default();
        table.assign(pair(1));
        table.assign(pair(2));
        assert_eq!(table.retire(|number| number == 5), []);
        assert_eq!(table.retire(|number| number == 5), [(4, pair(1))]);
        assert_eq!(table.pair(4), None);
        assert_eq!(
            table.assign(pair(3)),
            Some((6, true)),
            "an entry may still take 4"
        );
        table.retire(|_| true);
        assert_eq!(
            table.assign(pair(4)),
            Some((7, true)),
            "an entry does carry 4"
        );
        table.retire(|number| number > 4);
        assert_eq!(table.assign(pair(5)), Some((4, true)));
    }

    #[test]
    fn an_entry_seen_between_two_sweeps_keeps_the_number() {
        let mut table = PathTable::default();
        table.assign(pair(1));
        table.retire(|_| false);
        table.retire(|_| true);
        assert_eq!(table.retire(|_| false), []);
    }

    #[test]
    fn a_full_table_refuses_and_counts() {
        let mut table = PathTable::default();
        for last in 0..PATHS - FIRST_PATH {
            assert!(table.assign(pair(last)).is_some());
        }
        assert!(table.is_full());
        assert_eq!(table.assign(pair(5000)), None);
        assert_eq!(table.assign(pair(5000)), None);
        assert_eq!(table.refused(), 1, "pairs, not attempts");
        table.retire(|number| number > FIRST_PATH);
        table.retire(|number| number > FIRST_PATH);
        assert!(table.is_full(), "the number rests for a sweep");
        table.retire(|number| number > FIRST_PATH);
        assert!(!table.is_full());
        assert_eq!(table.assign(pair(5000)), Some((FIRST_PATH, true)));
    }
}
