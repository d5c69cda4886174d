//! The mode of each peer, for nodes whose peers are carried in several: said once it stood out over some
//! sweeps, and forgotten when it has not for long. Pure; a sweep is the only clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::share::deal;
use super::{Leg, RelayMode};

/// Sweeps that a mode rests on. The long view tells peers with nearly the same traffic apart, the short
/// one sees a change.
const SHORT: usize = 3;
const LONG: usize = 12;
/// Sweeps that it takes at least.
const LEAST: usize = 2;

/// The modes of one direction.
#[derive(Debug, Default)]
pub(super) struct PeerModes {
    /// The last sweeps in which something crossed the tunnel.
    sweeps: VecDeque<Leg>,
    said: BTreeMap<IpAddr, Said>,
}

type Dealt = BTreeMap<IpAddr, Vec<RelayMode>>;

/// What is said of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    mode: Option<RelayMode>,
    /// Sweeps that it moved something in since the mode stood out, or was one of several that may be.
    age: usize,
}

impl PeerModes {
    /// Takes a sweep in which something crossed the tunnel; `round` is what a mode takes at least, bytes.
    pub(super) fn advance(&mut self, leg: &Leg, round: u64) {
        self.sweeps.push_front(leg.clone());
        self.sweeps.truncate(LONG);
        let Some(short) = self.dealt(SHORT, round) else {
            return;
        };
        let is_open = |peer| single(&short, peer).is_none();
        let long = leg
            .peers
            .keys()
            .any(is_open)
            .then(|| self.dealt(LONG, round));
        let long = long.flatten().unwrap_or_default();
        for peer in leg.peers.keys() {
            let may_be = |mode| short.get(peer).is_some_and(|modes| modes.contains(&mode));
            let earlier = || single(&long, peer).filter(|&mode| may_be(mode));
            let said = self.said.entry(*peer).or_default();
            if let Some(mode) = single(&short, peer).or_else(earlier) {
                let mode = Some(mode);
                *said = Said { mode, age: 0 };
            } else if said.mode.is_some_and(may_be) {
                said.age = 0;
            } else {
                said.age += 1;
                if said.age >= SHORT {
                    said.mode = Some(RelayMode::Unknown);
                }
            }
        }
        let sweeps = &self.sweeps;
        self.said
            .retain(|peer, _| sweeps.iter().any(|leg| leg.peers.contains_key(peer)));
    }

    /// True if a peer's mode is this one.
    pub(super) fn has(&self, mode: RelayMode) -> bool {
        self.said.values().any(|said| said.mode == Some(mode))
    }

    /// What the peers may have over so many sweeps, if enough moved in them.
    fn dealt(&self, length: usize, round: u64) -> Option<Dealt> {
        let sweeps: Vec<_> = self.sweeps.iter().take(length).collect();
        let bytes: u64 = sweeps.iter().map(|leg| leg.tunnel).sum();
        let is_enough = sweeps.len() >= LEAST && bytes >= round * LEAST as u64;
        is_enough.then(|| deal(&sweeps))
    }

    /// The mode of a peer; `None` while it is too early to say.
    pub(super) fn of(&self, peer: IpAddr) -> Option<RelayMode> {
        self.said.get(&peer)?.mode
    }
}

/// The only mode that a peer may have.
fn single(dealt: &Dealt, peer: &IpAddr) -> Option<RelayMode> {
    match dealt.get(peer)?.as_slice() {
        &[mode] => Some(mode),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Crossed;
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(100, 64, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(100, 64, 0, 2));

    /// One peer is direct, the other one goes by a peer relay: messages of 160 bytes.
    fn leg(direct: (IpAddr, u64), relayed: (IpAddr, u64)) -> Leg {
        let mut leg = Leg::default();
        let far = IpAddr::from([192, 0, 2, 1]);
        for (carrier, mode, (peer, messages)) in [
            (&mut leg.direct, RelayMode::Direct, direct),
            (&mut leg.peer_relay, RelayMode::PeerRelay, relayed),
        ] {
            let bytes = messages * 160;
            leg.tunnel += bytes;
            carrier.insert(far, bytes);
            leg.messages.insert(mode, messages);
            leg.peers.insert(peer, Crossed { messages, bytes });
        }
        leg
    }

    #[test]
    fn a_mode_takes_two_sweeps_and_another_one_as_many_as_the_short_view() {
        let mut modes = PeerModes::default();
        let mut after = |leg: &Leg| {
            modes.advance(leg, 4_096);
            modes.of(ONE)
        };
        let (before, since) = (leg((ONE, 100), (OTHER, 50)), leg((OTHER, 50), (ONE, 100)));
        let (direct, relay) = (Some(RelayMode::Direct), Some(RelayMode::PeerRelay));
        let legs = [&before, &before, &before, &since, &since, &since];
        assert_eq!(
            legs.map(&mut after),
            [None, direct, direct, direct, direct, relay]
        );
    }

    #[test]
    fn little_traffic_says_nothing() {
        let mut modes = PeerModes::default();
        for _ in 0..2 {
            modes.advance(&leg((ONE, 20), (OTHER, 5)), 4_096);
        }
        assert_eq!(modes.of(ONE), None);
    }

    #[test]
    fn a_mode_is_unknown_after_three_sweeps_in_which_it_stands_out_in_no_view() {
        let mut modes = PeerModes::default();
        for _ in 0..2 {
            modes.advance(&leg((ONE, 100), (OTHER, 50)), 4_096);
        }
        // Nothing carries what the peers still send.
        let lost = Leg {
            peers: leg((ONE, 100), (OTHER, 50)).peers,
            tunnel: 24_000,
            ..Leg::default()
        };
        let mut after = |leg: &Leg| {
            modes.advance(leg, 4_096);
            modes.of(OTHER)
        };
        let relay = Some(RelayMode::PeerRelay);
        let found: Vec<_> = (0..LONG).map(|_| after(&lost)).collect();
        assert!(found.starts_with(&[relay]), "{found:?}");
        assert!(found.ends_with(&[Some(RelayMode::Unknown)]), "{found:?}");
    }

    #[test]
    fn a_mode_that_may_still_be_stays_while_two_peers_send_the_same() {
        let mut modes = PeerModes::default();
        for _ in 0..2 {
            modes.advance(&leg((ONE, 100), (OTHER, 50)), 4_096);
        }
        for _ in 0..2 * LONG {
            modes.advance(&leg((ONE, 75), (OTHER, 75)), 4_096);
            let found = [ONE, OTHER].map(|peer| modes.of(peer));
            let wanted = [RelayMode::Direct, RelayMode::PeerRelay];
            assert_eq!(found, wanted.map(Some));
        }
        let mut late = PeerModes::default();
        for _ in 0..LONG {
            late.advance(&leg((ONE, 75), (OTHER, 75)), 4_096);
        }
        assert_eq!(late.of(ONE), Some(RelayMode::Unknown), "nothing was said");
    }

    #[test]
    fn an_idle_peer_keeps_its_mode_for_the_long_view() {
        let mut modes = PeerModes::default();
        for _ in 0..2 {
            modes.advance(&leg((ONE, 100), (OTHER, 50)), 4_096);
        }
        let mut alone = leg((ONE, 100), (OTHER, 0));
        alone.peers.remove(&OTHER);
        for _ in 1..LONG {
            modes.advance(&alone, 4_096);
            assert_eq!(modes.of(OTHER), Some(RelayMode::PeerRelay));
        }
        modes.advance(&alone, 4_096);
        assert_eq!(modes.of(OTHER), None);
    }
}
