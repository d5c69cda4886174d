//! The kernel's list of far ends whose TCP is counted in both directions: the relays that the settings
//! name, and the ends of tailscaled's own connections while one of them may be a relay. The mark shows on
//! what leaves alone; the list makes what comes by the same connections known.
//!
//! Never: a word on which of them is a relay, which is for the bytes to say. Never forgets what the
//! settings name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use observer_ebpf::abi::relay::{RELAYS, RelayKey};

use crate::kernel::{Object, TableError};

/// How long an end stays listed that nothing was awaited from: keepalives of an idle connection are a
/// minute apart.
const STAY: Duration = Duration::from_mins(3);

/// Ends at most, less where the settings leave less room: tailscaled is connected to its control server
/// and to its own and its peers' home relays, and a tailnet has few.
const MOST: usize = 64;

/// The ends that the kernel knows.
#[derive(Debug)]
pub(super) struct Relays {
    named: BTreeSet<SocketAddr>,
    awaited: BTreeMap<SocketAddr, Instant>,
}

/// What the kernel is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    new: Vec<SocketAddr>,
    gone: Vec<SocketAddr>,
}

impl Relays {
    /// Begins with the relays of the settings.
    pub(super) fn named(
        named: &BTreeSet<SocketAddr>,
        object: &mut Object,
    ) -> Result<Self, TableError> {
        for &relay in named {
            object.relays.put(&key(relay), &1)?;
        }
        Ok(Self {
            named: named.clone(),
            awaited: BTreeMap::new(),
        })
    }

    /// Takes the ends that answers are awaited from.
    pub(super) fn follow(
        &mut self,
        object: &mut Object,
        awaited: BTreeSet<SocketAddr>,
        now: Instant,
    ) -> Result<(), TableError> {
        let Change { new, gone } = self.take(awaited, now);
        for relay in &new {
            object.relays.put(&key(*relay), &1)?;
        }
        for relay in &gone {
            object.relays.remove(&key(*relay))?;
        }
        if !new.is_empty() || !gone.is_empty() {
            let mut control = object.control.get();
            let known = self.named.len() + self.awaited.len();
            control.relays = u32::try_from(known).unwrap_or(u32::MAX);
            object.control.set(control);
            tracing::debug!(
                ?new,
                ?gone,
                "far ends of tailscaled's connections that are counted both ways"
            );
        }
        Ok(())
    }

    fn take(&mut self, awaited: BTreeSet<SocketAddr>, now: Instant) -> Change {
        let room = (RELAYS as usize).saturating_sub(self.named.len()).min(MOST);
        let mut change = Change::default();
        for relay in awaited {
            if self.named.contains(&relay) {
                continue;
            }
            if self.awaited.contains_key(&relay) || self.awaited.len() < room {
                let is_new = self.awaited.insert(relay, now).is_none();
                change.new.extend(is_new.then_some(relay));
            }
        }
        self.awaited.retain(|&relay, seen| {
            let stays = now.duration_since(*seen) < STAY;
            change.gone.extend((!stays).then_some(relay));
            stays
        });
        change
    }
}

fn key(relay: SocketAddr) -> RelayKey {
    RelayKey::new(relay.ip().into(), relay.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 443).into()
    }

    fn relays(named: impl IntoIterator<Item = SocketAddr>) -> Relays {
        Relays {
            named: named.into_iter().collect(),
            awaited: BTreeMap::new(),
        }
    }

    fn change(
        new: impl IntoIterator<Item = SocketAddr>,
        gone: impl IntoIterator<Item = SocketAddr>,
    ) -> Change {
        Change {
            new: new.into_iter().collect(),
            gone: gone.into_iter().collect(),
        }
    }

    #[test]
    fn an_end_is_told_once_and_forgotten_three_minutes_after_it_was_awaited_last() {
        let mut relays = relays([]);
        let start = Instant::now();
        let mut at = |seconds, awaited: &[u8]| {
            let awaited = awaited.iter().copied().map(relay).collect();
            relays.take(awaited, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, &[1]), change([relay(1)], []));
        assert_eq!(at(100, &[1, 2]), change([relay(2)], []));
        assert_eq!(at(279, &[2]), change([], []));
        assert_eq!(at(280, &[2]), change([], [relay(1)]));
        assert_eq!(at(281, &[1]), change([relay(1)], []));
    }

    #[test]
    fn a_relay_of_the_settings_is_neither_told_again_nor_forgotten() {
        let mut relays = relays([relay(1)]);
        let start = Instant::now();
        assert_eq!(relays.take([relay(1)].into(), start), change([], []));
        assert_eq!(
            relays.take(BTreeSet::new(), start + 2 * STAY),
            change([], [])
        );
    }

    #[test]
    fn ends_are_bounded_and_leave_the_room_of_those_that_are_named() {
        let now = Instant::now();
        let many: BTreeSet<_> = (0..=255).map(relay).collect();
        assert_eq!(relays([]).take(many.clone(), now).new.len(), MOST);
        let named = many.iter().take(250).copied();
        assert_eq!(relays(named).take(many.clone(), now).new.len(), 6);
    }
}
