//! The mode of a direction: one carrier for all, or a part for each peer.

use super::super::Crossed;
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

const fn moved(hook: Hook, bytes: u64) -> Moved {
    Moved {
        hook,
        peer: None,
        bytes,
    }
}

/// The modes of a path that is all of the tunnel, sweep by sweep.
fn modes(legs: &[Leg]) -> Vec<RelayMode> {
    let mut modes = RelayModes::default();
    let sweep = |leg: &Leg| {
        modes.advance(&[Leg::default(), leg.clone()], |_| true);
        modes.of(PATH, moved(Hook::Egress, leg.tunnel))
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
    assert_eq!(modes.of(PATH, moved(Hook::Egress, 20_000)), Direct);
    let small = (8, FlowDirection::LowToHigh);
    assert_eq!(modes.of(small, moved(Hook::Egress, 900)), Unknown);
    assert_eq!(
        modes.of(PATH, moved(Hook::Egress, 900)),
        Direct,
        "it was said"
    );
    assert_eq!(modes.of(small, moved(Hook::Ingress, 900)), Unknown);
}

#[test]
fn a_silent_path_keeps_its_mode_until_its_number_is_gone() {
    let mut modes = RelayModes::default();
    for _ in 0..2 {
        modes.advance(&[Leg::default(), direct(9_000)], |_| true);
    }
    assert_eq!(modes.of(PATH, moved(Hook::Egress, 9_000)), Direct);
    for _ in 0..3 {
        modes.advance(&[Leg::default(), derp(9_000)], |_| true);
    }
    assert_eq!(modes.of(PATH, moved(Hook::Egress, 0)), Direct);
    modes.advance(&[Leg::default(), Leg::default()], |path| path == 8);
    assert_eq!(modes.of(PATH, moved(Hook::Egress, 0)), Unknown);
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

#[test]
fn a_path_has_its_peers_mode_where_the_nodes_is_none() {
    let peer = |last: u8| IpAddr::from([100, 64, 0, last]);
    let moved = |last: u8, bytes| Moved {
        peer: Some(peer(last)),
        ..moved(Hook::Egress, bytes)
    };
    let mut leg = Leg::default();
    leg.add(&direct(9_600));
    leg.add(&derp(0));
    leg.add(&derp(9_600));
    *leg.tcp.values_mut().next().expect("a relay") = 9_600 + 60 * 40;
    leg.messages.insert(Direct, 30);
    for (last, messages) in [(1, 30), (2, 60)] {
        let bytes = 9_600;
        let crossed = Crossed { messages, bytes };
        leg.peers.insert(peer(last), crossed);
    }
    let mut modes = RelayModes::default();
    for _ in 0..2 {
        assert_eq!(modes.of(PATH, moved(1, 9_600)), Unknown);
        modes.advance(&[Leg::default(), leg.clone()], |_| true);
    }
    let other = (8, FlowDirection::LowToHigh);
    assert_eq!(modes.proof(Hook::Egress).0, Unknown);
    assert_eq!(modes.of(PATH, moved(1, 9_600)), Direct);
    assert_eq!(modes.of(other, moved(2, 9_600)), Derp);
    let third = (9, FlowDirection::LowToHigh);
    assert_eq!(modes.of(third, moved(3, 9_600)), Unknown, "nobody's peer");
}

#[test]
fn answers_are_awaited_from_all_of_tailscaleds_connections_while_a_relay_may_bring_packets() {
    let awaits = |modes: &mut RelayModes, came: &Leg, went: &Leg| {
        let mut went = went.clone();
        // The home relay hears of keepalives alone.
        went.tcp.insert(([192, 0, 2, 8], 443).into(), 0);
        modes.advance(&[came.clone(), went], |_| true);
        let ends = modes.awaited();
        ends.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut came = RelayModes::default();
    let home = "192.0.2.8:443".to_owned();
    let both = vec![home.clone(), "192.0.2.9:443".to_owned()];
    let nothing = Leg {
        tunnel: 9_000,
        ..Leg::default()
    };
    assert_eq!(awaits(&mut came, &nothing, &derp(9_000)), both);
    assert_eq!(awaits(&mut came, &direct(9_000), &direct(9_000)), [home]);
    assert!(awaits(&mut came, &direct(9_000), &direct(9_000)).is_empty());
    let mut went = RelayModes::default();
    awaits(&mut went, &direct(9_000), &derp(9_000));
    assert_eq!(awaits(&mut went, &direct(9_000), &derp(9_000)), both);
}
