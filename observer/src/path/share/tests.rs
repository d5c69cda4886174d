//! Dealing what peers moved to carriers: one way, several, none.

use super::*;

use RelayMode::{Derp, Direct, Overlay, PeerRelay, Unknown};

/// A sweep: what (peer, mode) sent, in messages of these bytes.
fn sweep(moved: &[(u8, RelayMode, u64, u64)]) -> Leg {
    let mut leg = Leg::default();
    let far = IpAddr::from([192, 0, 2, 9]);
    for &(peer, mode, messages, size) in moved {
        let bytes = messages * size;
        leg.tunnel += bytes;
        // The last bytes of a message are padding.
        let crossed = leg.peers.entry(address(peer)).or_default();
        crossed.messages += messages;
        crossed.bytes += bytes - 7 * messages;
        let carrier = match mode {
            Direct => &mut leg.direct,
            Overlay => &mut leg.overlay,
            PeerRelay => &mut leg.peer_relay,
            Derp => {
                let tcp = leg.tcp.entry((far, 443).into()).or_default();
                *tcp += bytes + 45 * messages;
                continue;
            }
            RelayMode::None | Unknown => continue,
        };
        *carrier.entry(far).or_default() += bytes;
        *leg.messages.entry(mode).or_default() += messages;
    }
    leg
}

fn address(peer: u8) -> IpAddr {
    [100, 64, 0, peer].into()
}

fn dealt(sweeps: &[Leg]) -> Vec<(u8, RelayMode)> {
    let sweeps: Vec<_> = sweeps.iter().collect();
    let modes = deal(&sweeps);
    let named = modes
        .into_iter()
        .filter_map(|(peer, modes)| match (peer, &*modes) {
            (IpAddr::V4(peer), &[mode]) => Some((peer.octets()[3], mode)),
            _ => None,
        });
    named.collect()
}

#[test]
fn peers_of_several_modes_are_told_apart_by_what_they_moved() {
    for modes in [
        [(1, Direct), (2, PeerRelay)],
        [(1, PeerRelay), (2, Direct)],
        [(1, Derp), (2, Direct)],
        [(1, PeerRelay), (2, Derp)],
        [(1, Overlay), (2, Direct)],
        [(1, PeerRelay), (2, PeerRelay)],
    ] {
        let [(one, first), (other, second)] = modes;
        let leg = sweep(&[(one, first, 200, 160), (other, second, 90, 1_312)]);
        assert_eq!(dealt(&[leg.clone(), leg]), modes);
    }
}

#[test]
fn the_same_traffic_is_told_apart_by_how_often_it_was_sent() {
    let turn = |one, other| sweep(&[(1, Direct, one, 160), (2, PeerRelay, other, 160)]);
    assert_eq!(
        dealt(&[turn(250, 253), turn(249, 245), turn(251, 248)]),
        [(1, Direct), (2, PeerRelay)]
    );
    assert_eq!(dealt(&vec![turn(250, 250); 12]), []);
}

#[test]
fn a_thin_peer_is_named_and_one_that_may_be_noise_is_not() {
    let noisy = |thin, noise| {
        let mut leg = sweep(&[(1, Direct, 1_000, 1_312), (2, PeerRelay, thin, 160)]);
        *leg.direct.values_mut().next().expect("a far end") += noise;
        leg
    };
    assert_eq!(
        dealt(&[noisy(20, 0), noisy(20, 0)]),
        [(1, Direct), (2, PeerRelay)]
    );
    assert_eq!(
        dealt(&[noisy(20, 12_000), noisy(20, 12_000)]),
        [(1, Direct)]
    );
}

#[test]
fn a_peer_whose_carrier_is_not_known_does_not_hide_the_others() {
    let leg = sweep(&[(1, Direct, 200, 160), (2, Unknown, 90, 1_312)]);
    assert_eq!(dealt(&[leg.clone(), leg]), [(1, Direct), (2, Unknown)]);
}

#[test]
fn what_goes_both_ways_at_once_is_nobodys_mode() {
    let mut leg = sweep(&[(1, Direct, 200, 160), (2, Direct, 90, 320)]);
    leg.peer_relay.clone_from(&leg.direct);
    leg.messages.insert(PeerRelay, 290);
    assert_eq!(dealt(&[leg.clone(), leg]), []);
}

#[test]
fn what_others_send_through_the_tunnel_leaves_nobody_named() {
    let with = |others| {
        let mut leg = sweep(&[(1, Direct, 200, 160), (2, PeerRelay, 90, 1_312)]);
        *leg.direct.values_mut().next().expect("a far end") += others;
        dealt(&[leg.clone(), leg])
    };
    assert_eq!(with(10_000), [(1, Direct), (2, PeerRelay)]);
    assert_eq!(with(30_000), []);
}

#[test]
fn of_more_peers_than_can_be_tried_the_largest_are_named() {
    let mut moved = vec![(1, PeerRelay, 100, 1_312)];
    moved.extend((2..=40).map(|peer| (peer, Direct, 80 + 37 * u64::from(peer) % 11, 160)));
    moved.truncate(9);
    let leg = sweep(&moved);
    assert_eq!(dealt(&[leg.clone(), leg.clone()]).len(), 9);
    moved.push((90, Direct, 1, 96));
    let leg = sweep(&moved);
    assert_eq!(dealt(&[leg.clone(), leg]).len(), 9);
}
