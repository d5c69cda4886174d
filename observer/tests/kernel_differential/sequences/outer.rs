//! Outer flows, fragments, aggregates.

use observer_ebpf::abi::outer::OuterKind;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::abi::{PATH_HOST, PATH_UNKNOWN};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet, udp};
use observer_ebpf::fixtures::{self, BYPASS_MARK, NODE_A, NODE_B, POD_A, POD_B};

use crate::pair::{Pair, with_pair};
use crate::talk::{LOW_TO_HIGH, OURS, PODS, carry, row, site};

/// Shows a fixture at one site.
fn show(pair: &mut Pair<'_>, point: Point, hook: Hook, name: &str) {
    let fixture = fixtures::named(name).expect("a fixture");
    assert!(pair.see(
        site(point, hook),
        &fixture.bytes,
        fixture.gso_size,
        fixture.mark
    ));
}

#[test]
fn a_vtep_that_moves_makes_a_second_outer_flow() {
    with_pair("a_vtep_that_moves_makes_a_second_outer_flow", |pair| {
        let wire = site(Point::Underlay0, Hook::Egress);
        pair.name_pair(PODS, 5);
        let frame = OURS.data(10).stamped(100, 0).frame();
        for last in [12, 12, 13, 13, 12] {
            assert!(pair.see(wire, &carry(&frame, NODE_A, [192, 168, 105, last]), 0, 0));
        }
        let state = pair.agree("a VTEP that moves and comes back");
        let sums: Vec<_> = state.outer_flows.values().copied().collect();
        assert_eq!(
            sums,
            [[0, 0, 0, 0, 5]; 2],
            "VXLAN counts on paths, not on outer flows"
        );
        assert_eq!(state.traffic[&row(5, Point::Underlay0, LOW_TO_HIGH)][0], 5);
    });
}

#[test]
fn the_source_port_of_vxlan_makes_no_second_outer_flow() {
    with_pair(
        "the_source_port_of_vxlan_makes_no_second_outer_flow",
        |pair| {
            let wire = site(Point::Underlay0, Hook::Egress);
            let frame = OURS.data(10).stamped(100, 0).frame();
            for port in [40_000, 50_000] {
                let datagram = udp(port, 8_472, &layers::vxlan(0x08, &frame));
                let packet = layers::Ipv4::new(NODE_A, NODE_B, UDP).around(&datagram);
                assert!(pair.see(wire, &ethernet(IPV4, &packet), 0, 0));
            }
            assert_eq!(pair.agree("two source ports").outer_flows.len(), 1);
        },
    );
}

#[test]
fn fragments_count_inner_and_outer() {
    with_pair("fragments_count_inner_and_outer", |pair| {
        let (wire, out) = (Point::Underlay0, Hook::Egress);
        show(
            pair,
            wire,
            out,
            "vxlan_first_outer_fragment_gives_the_inner_flow",
        );
        show(pair, wire, out, "vxlan_later_outer_fragment_is_opaque");
        show(pair, wire, out, "inner_first_fragment_keeps_ports");
        show(pair, wire, out, "inner_later_fragment_has_no_ports");
        show(
            pair,
            Point::Port,
            Hook::Ingress,
            "ipv4_first_fragment_keeps_ports",
        );
        let state = pair.agree("fragments of both kinds");
        assert_eq!(
            state.fragments[&row(PATH_UNKNOWN, wire, LOW_TO_HIGH)],
            [2, 1]
        );
        assert_eq!(
            state.fragments[&row(PATH_UNKNOWN, Point::Port, LOW_TO_HIGH)],
            [1, 0]
        );
        assert_eq!(
            state.traffic[&row(PATH_HOST, wire, LOW_TO_HIGH)],
            [1, 66, 1, 0]
        );
        assert!(
            state
                .outer_flows
                .values()
                .any(|sums| *sums == [0, 1, 66, 1, 0])
        );
    });
}

#[test]
fn wireguard_sessions_are_outer_flows_of_their_own() {
    with_pair("wireguard_sessions_are_outer_flows_of_their_own", |pair| {
        let wire = site(Point::Underlay1, Hook::Egress);
        let mut send = |kind, session, length| {
            let message = layers::wireguard(kind, [session, 0, 0, 0], length);
            let packet =
                layers::Ipv4::new(NODE_A, NODE_B, UDP).around(&udp(41_641, 41_641, &message));
            assert!(pair.see(wire, &ethernet(IPV4, &packet), 0, BYPASS_MARK));
        };
        send(1, 9, 148);
        send(4, 1, 128);
        send(4, 1, 32);
        send(4, 2, 128);
        let state = pair.agree("a handshake and two sessions");
        let kind = |key: &Vec<u8>| key[38];
        let kinds: Vec<_> = state
            .outer_flows
            .iter()
            .map(|(key, sums)| (kind(key), sums[1], sums[2]))
            .collect();
        let (data, handshake) = (
            OuterKind::WireGuard as u8,
            OuterKind::WireGuardHandshake as u8,
        );
        assert_eq!(kinds, [(handshake, 1, 176), (data, 2, 216), (data, 1, 156)]);
    });
}

#[test]
fn the_bypass_mark_counts_at_an_underlays_egress_alone() {
    with_pair(
        "the_bypass_mark_counts_at_an_underlays_egress_alone",
        |pair| {
            let derp = Tcp {
                destination: 443,
                ..Tcp::default()
            }
            .around(&[0x17; 60]);
            let frame = ethernet(IPV4, &layers::Ipv4::new(NODE_A, NODE_B, TCP).around(&derp));
            let (wire, out, into) = (Point::Underlay0, Hook::Egress, Hook::Ingress);
            for (hook, mark) in [
                (out, BYPASS_MARK),
                (out, 0x4_0000),
                (out, 0),
                (into, BYPASS_MARK),
            ] {
                assert!(pair.see(site(wire, hook), &frame, 0, mark));
            }
            let state = pair.agree("marked and unmarked TCP");
            assert_eq!(state.outer_flows.len(), 1);
            let (key, sums) = state.outer_flows.iter().next().expect("an outer flow");
            assert_eq!(
                (key[38], &key[32..36], sums[1]),
                (OuterKind::MarkedTcp as u8, &443_u32.to_ne_bytes()[..], 1)
            );
        },
    );
}

#[test]
fn an_aggregate_counts_what_its_segments_would() {
    with_pair("an_aggregate_counts_what_its_segments_would", |pair| {
        let segment = |sequence, payload| {
            let tcp = Tcp {
                sequence,
                ..Tcp::default()
            }
            .around(&vec![0x61; payload]);
            ethernet(IPV4, &layers::Ipv4::new(POD_A, POD_B, TCP).around(&tcp))
        };
        let (out, into) = (
            site(Point::Bridge, Hook::Egress),
            site(Point::Bridge, Hook::Ingress),
        );
        assert!(pair.see(into, &segment(0, 2_900), 1_448, 0));
        let merged = pair.agree("one aggregate").traffic;
        pair.clear();
        for (sequence, payload) in [(0, 1_448), (1_448, 1_448), (2_896, 4)] {
            assert!(pair.see(out, &segment(sequence, payload), 0, 0));
        }
        let single = pair.agree("its segments").traffic;
        let index = row(PATH_UNKNOWN, Point::Bridge, LOW_TO_HIGH);
        assert_eq!((merged[&index][0], single[&index][0]), (1, 3));
        assert_eq!(merged[&index][1..], single[&index][1..]);
    });
}
