//! Pairs that are no real ones for some of their flows, such as a masquerading node and its pod, which
//! also talk themselves. Time is an argument.

use std::collections::HashMap;

use observer_ebpf::abi::key::PairKey;

/// Pairs told apart; flows of further ones wait for the next epoch.
const CAPACITY: usize = 4_096;
/// How long a pair outlives its last translated flow, nanoseconds: an hour, since who was masqueraded
/// once mostly comes back.
const KEPT: u64 = 3_600_000_000_000;

/// The pairs, each with the time of its last translated flow.
#[derive(Debug, Default)]
pub(super) struct Provisional(HashMap<PairKey, u64>);

impl Provisional {
    /// Notes a translated flow of a pair; true if the pair is new.
    pub(super) fn note(&mut self, pair: PairKey, now: u64) -> bool {
        if self.refresh(&pair, now) || self.0.len() >= CAPACITY {
            return false;
        }
        self.0.insert(pair, now);
        true
    }

    /// Notes that a translated flow of a pair is there; false if the pair is none of these.
    pub(super) fn refresh(&mut self, pair: &PairKey, now: u64) -> bool {
        self.0.get_mut(pair).map(|seen| *seen = now).is_some()
    }

    /// True if it is one of these.
    pub(super) fn has(&self, pair: &PairKey) -> bool {
        self.0.contains_key(pair)
    }

    /// Forgets the pairs without a translated flow for long; they are returned.
    pub(super) fn expire(&mut self, now: u64) -> Vec<PairKey> {
        let gone = self
            .0
            .extract_if(|_, seen| now.saturating_sub(*seen) >= KEPT);
        gone.map(|(pair, _)| pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::key::Address;

    use super::*;

    fn pair(number: u16) -> PairKey {
        let [high, low] = number.to_be_bytes();
        PairKey {
            low: Address::v4([10, 42, 1, 2]),
            high: Address::v4([10, 43, high, low]),
        }
    }

    #[test]
    fn a_pair_is_new_once_and_forgotten_an_hour_after_its_last_translated_flow() {
        let mut provisional = Provisional::default();
        assert!(provisional.note(pair(1), 0) && provisional.note(pair(2), 0));
        assert!(!provisional.note(pair(1), KEPT - 1));
        assert!(!provisional.refresh(&pair(3), KEPT - 1));
        assert_eq!(provisional.expire(KEPT - 1), []);
        assert_eq!(provisional.expire(KEPT), [pair(2)]);
        assert!(provisional.has(&pair(1)) && !provisional.has(&pair(2)));
        assert!(provisional.refresh(&pair(1), 2 * KEPT));
        assert_eq!(provisional.expire(3 * KEPT - 1), []);
        assert_eq!(provisional.expire(3 * KEPT), [pair(1)]);
        assert!(provisional.note(pair(1), 3 * KEPT), "it is new again");
    }

    #[test]
    fn there_is_room_again_for_others() {
        let mut provisional = Provisional::default();
        let count = u16::try_from(CAPACITY).expect("few");
        assert!((0..count).all(|number| provisional.note(pair(number), 0)));
        assert!(!provisional.note(pair(count), KEPT));
        assert_eq!(provisional.expire(KEPT).len(), CAPACITY);
        assert!(provisional.note(pair(count), KEPT));
    }
}
