//! How Tailscale carries each path: the mode of this node's opaque leg, said once it held over enough
//! bytes and sweeps, and kept by the paths that it was said of. Pure; a sweep is the only clock.

use std::collections::{HashMap, VecDeque};

use observer_ebpf::abi::point::{FlowDirection, Hook};

use super::{Leg, RelayMode};

/// Bytes of messages that a round takes at least: enough that keepalives are none of it.
const ROUND: u64 = 4_096;
/// Rounds in a row that say a first mode.
const FIRST: u32 = 2;
/// Rounds in a row that say another one.
const CHANGE: u32 = 3;

/// The modes of both directions, and of every path.
#[derive(Debug, Default)]
pub struct RelayModes {
    sides: [Side; 2],
    paths: HashMap<(u16, FlowDirection), RelayMode>,
}

/// One direction of the tunnel.
#[derive(Debug)]
struct Side {
    said: RelayMode,
    /// What the mode was said of.
    proof: Leg,
    candidate: RelayMode,
    rounds: u32,
    /// What the last [`CHANGE`] of the rounds in a row moved, each.
    agreed: VecDeque<Leg>,
    /// The round that is not full.
    open: Leg,
    /// The last sweep.
    recent: Leg,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            said: RelayMode::Unknown,
            proof: Leg::default(),
            candidate: RelayMode::Unknown,
            rounds: 0,
            agreed: VecDeque::new(),
            open: Leg::default(),
            recent: Leg::default(),
        }
    }
}

impl RelayModes {
    /// Takes the legs of a sweep, by [`Hook`] of tailscaled's device, and forgets the paths whose
    /// numbers are gone.
    pub fn advance(&mut self, legs: &[Leg; 2], is_used: impl Fn(u16) -> bool) {
        self.paths.retain(|&(path, _), _| is_used(path));
        for (side, leg) in self.sides.iter_mut().zip(legs) {
            side.advance(leg);
        }
    }

    /// The mode of a path that moved so many bytes of messages through this hook in the last sweep. It
    /// takes over what the node's leg says if it moved more than that leaves unexplained.
    pub fn of(&mut self, path: (u16, FlowDirection), hook: Hook, bytes: u64) -> RelayMode {
        let side = self.side(hook);
        let mode = side.said;
        let is_meant = match mode {
            RelayMode::Unknown | RelayMode::None => bytes > 0,
            RelayMode::Direct | RelayMode::Overlay | RelayMode::Derp | RelayMode::PeerRelay => {
                bytes > side.recent.unexplained(mode)
            }
        };
        if is_meant {
            self.paths.insert(path, mode);
        }
        self.paths.get(&path).copied().unwrap_or(RelayMode::Unknown)
    }

    /// What the mode of a direction was said of, and the mode.
    #[must_use]
    pub fn proof(&self, hook: Hook) -> (RelayMode, &Leg) {
        let side = self.side(hook);
        (side.said, &side.proof)
    }

    /// Whether the newest round gave the mode that is said: while it does not, packets may go either way.
    #[must_use]
    pub fn is_steady(&self, hook: Hook) -> bool {
        let side = self.side(hook);
        side.candidate == side.said
    }

    const fn side(&self, hook: Hook) -> &Side {
        let [ingress, egress] = &self.sides;
        match hook {
            Hook::Ingress => ingress,
            Hook::Egress => egress,
        }
    }
}

impl Side {
    fn advance(&mut self, leg: &Leg) {
        self.recent.clone_from(leg);
        if leg.tunnel == 0 {
            // What moves beside an idle tunnel is none of it.
            return;
        }
        self.open.add(leg);
        if self.open.tunnel < ROUND {
            return;
        }
        let round = std::mem::take(&mut self.open);
        let mode = round.mode();
        if mode != self.candidate {
            (self.candidate, self.rounds) = (mode, 0);
            self.agreed.clear();
        }
        self.rounds = self.rounds.saturating_add(1);
        self.agreed.push_back(round);
        if self.agreed.len() > CHANGE as usize {
            self.agreed.pop_front();
        }
        let needed = if self.said == RelayMode::Unknown {
            FIRST
        } else {
            CHANGE
        };
        if self.said == mode || self.rounds >= needed {
            self.said = mode;
            self.proof = Leg::default();
            self.agreed.iter().for_each(|round| self.proof.add(round));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const PATH: (u16, FlowDirection) = (7, FlowDirection::LowToHigh);

    fn direct(bytes: u64) -> Leg {
        let mut leg = Leg {
            tunnel: bytes,
            ..Leg::default()
        };
        leg.direct.insert([192, 0, 2, 1].into(), bytes);
        leg
    }

    fn derp(bytes: u64) -> Leg {
        let mut leg = Leg {
            tunnel: bytes,
            ..Leg::default()
        };
        leg.tcp
            .insert(SocketAddr::from(([192, 0, 2, 9], 443)), bytes);
        leg
    }

    /// The modes of a path that is all of the tunnel, sweep by sweep.
    fn modes(legs: &[Leg]) -> Vec<RelayMode> {
        let mut modes = RelayModes::default();
        let sweep = |leg: &Leg| {
            modes.advance(&[Leg::default(), leg.clone()], |_| true);
            modes.of(PATH, Hook::Egress, leg.tunnel)
        };
        legs.iter().map(sweep).collect()
    }

    use RelayMode::{Derp, Direct, Unknown};

    #[test]
    fn a_first_mode_takes_two_rounds_and_a_change_three() {
        let legs: Vec<_> = (0..2)
            .map(|_| direct(9_000))
            .chain((0..4).map(|_| derp(9_000)))
            .collect();
        let wanted = [Unknown, Direct, Direct, Direct, Derp, Derp];
        assert_eq!(modes(&legs), wanted);
    }

    #[test]
    fn a_moment_on_both_roads_changes_nothing() {
        let both = {
            let mut leg = direct(9_000);
            leg.add(&Leg {
                tunnel: 0,
                ..derp(9_000)
            });
            leg
        };
        let legs = [
            direct(9_000),
            direct(9_000),
            both,
            derp(9_000),
            direct(9_000),
        ];
        assert_eq!(modes(&legs), [Unknown, Direct, Direct, Direct, Direct]);
    }

    #[test]
    fn what_no_carrier_accounts_for_ends_a_mode_after_three_rounds() {
        let lost = Leg {
            tunnel: 9_000,
            ..Leg::default()
        };
        let legs = [
            direct(9_000),
            direct(9_000),
            lost.clone(),
            lost.clone(),
            lost,
        ];
        assert_eq!(modes(&legs), [Unknown, Direct, Direct, Direct, Unknown]);
    }

    #[test]
    fn little_traffic_gathers_until_a_round_is_full() {
        let legs: Vec<_> = (0..8).map(|_| direct(1_100)).collect();
        let wanted = [
            Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, Direct,
        ];
        assert_eq!(modes(&legs), wanted);
    }

    #[test]
    fn keepalives_beside_an_idle_tunnel_do_not_pile_up() {
        let idle = Leg {
            tunnel: 0,
            ..derp(300)
        };
        let mut legs = vec![idle; 100];
        legs.extend([direct(9_000), direct(9_000)]);
        assert_eq!(modes(&legs).last(), Some(&Direct));
    }

    #[test]
    fn a_small_path_that_may_be_what_is_unexplained_keeps_what_was_said_of_it() {
        let mut modes = RelayModes::default();
        let mut leg = direct(20_000);
        leg.tunnel += 900;
        for _ in 0..2 {
            modes.advance(&[Leg::default(), leg.clone()], |_| true);
        }
        assert_eq!(modes.of(PATH, Hook::Egress, 20_000), Direct);
        let small = (8, FlowDirection::LowToHigh);
        assert_eq!(modes.of(small, Hook::Egress, 900), Unknown);
        assert_eq!(modes.of(PATH, Hook::Egress, 900), Direct, "it was said");
        assert_eq!(modes.of(small, Hook::Ingress, 900), Unknown);
    }

    #[test]
    fn a_silent_path_keeps_its_mode_until_its_number_is_gone() {
        let mut modes = RelayModes::default();
        for _ in 0..2 {
            modes.advance(&[Leg::default(), direct(9_000)], |_| true);
        }
        assert_eq!(modes.of(PATH, Hook::Egress, 9_000), Direct);
        for _ in 0..3 {
            modes.advance(&[Leg::default(), derp(9_000)], |_| true);
        }
        assert_eq!(modes.of(PATH, Hook::Egress, 0), Direct);
        modes.advance(&[Leg::default(), Leg::default()], |path| path == 8);
        assert_eq!(modes.of(PATH, Hook::Egress, 0), Unknown);
    }

    #[test]
    fn a_mode_rests_on_the_last_three_rounds_whoever_the_ends_were_before() {
        let mut modes = RelayModes::default();
        for end in 1..=9 {
            let mut leg = direct(9_000);
            leg.direct = [([192, 0, 2, end].into(), 9_000)].into();
            modes.advance(&[Leg::default(), leg], |_| true);
        }
        let (mode, proof) = modes.proof(Hook::Egress);
        assert_eq!((mode, proof.tunnel), (Direct, 27_000));
        let ends: Vec<_> = proof.direct.keys().map(ToString::to_string).collect();
        assert_eq!(ends, ["192.0.2.7", "192.0.2.8", "192.0.2.9"]);
    }

    #[test]
    fn a_first_mode_rests_on_the_rounds_that_give_it_alone() {
        let mut modes = RelayModes::default();
        for leg in [direct(9_000), derp(9_000), derp(9_000)] {
            modes.advance(&[Leg::default(), leg], |_| true);
        }
        let (mode, proof) = modes.proof(Hook::Egress);
        assert_eq!((mode, proof.tunnel, proof.direct()), (Derp, 18_000, 0));
    }

    #[test]
    fn a_change_under_way_is_not_steady() {
        let mut modes = RelayModes::default();
        let mut steady = |leg: &Leg| {
            modes.advance(&[Leg::default(), leg.clone()], |_| true);
            modes.is_steady(Hook::Egress)
        };
        let legs = [direct(9_000), direct(9_000), derp(9_000), derp(9_000)];
        assert_eq!(
            legs.each_ref().map(&mut steady),
            [false, true, false, false]
        );
        assert!(steady(&derp(9_000)), "the third round says it");
        assert!(steady(&derp(300)), "no round is full");
    }
}
