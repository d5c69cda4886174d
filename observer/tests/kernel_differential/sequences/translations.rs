//! Translated flows: one path under all their keys, in one direction of its rows, counted once.

use observer_ebpf::abi::PATH_EXTERNAL;
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKey, FlowKind};
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::{POD_A, POD_B};

use crate::pair::{Pair, with_pair};
use crate::talk::{BACK, HIGH_TO_LOW, LOW_TO_HIGH, OURS, OUT, Segment, THEIRS, row, site};

const SERVICE: [u8; 4] = [10, 43, 0, 9];
/// A pod with a lower address than the local one, behind the service with the higher one.
const BACKEND: [u8; 4] = [10, 42, 0, 7];
/// A source that a masquerading node gives to packets, outside all networks.
const MASQUERADE: [u8; 4] = [192, 168, 105, 12];
const PATH: u16 = 7;

/// The key of the segments between two addresses.
fn key(ours: [u8; 4], theirs: [u8; 4]) -> FlowKey {
    let end = |octets, port| Endpoint {
        address: Address::v4(octets),
        port,
    };
    let kind = (FlowKind::Flow, Family::V4);
    FlowKey::canonical(end(ours, OURS.port), end(theirs, 8_080), 6, kind).0
}

const fn assignment(flags: u8) -> Assignment {
    Assignment {
        path: PATH,
        rate: 0,
        flags,
    }
}

/// Shows a segment as the node of the client sees it: to the service at the pod's side, to the
/// backend beyond.
fn travel(pair: &mut Pair<'_>, segment: Segment) {
    for site in if segment.is_ours { OUT } else { BACK } {
        let theirs = match site.point {
            Point::Port | Point::Bridge => SERVICE,
            Point::Overlay
            | Point::Tunnel
            | Point::FlannelWg
            | Point::Underlay0
            | Point::Underlay1
            | Point::Underlay2 => BACKEND,
        };
        pair.pass(site, &segment.between(POD_A, theirs));
    }
}

#[test]
fn a_translated_flow_counts_and_is_timed_in_the_direction_of_its_path() {
    with_pair(
        "a_translated_flow_counts_and_is_timed_in_the_direction_of_its_path",
        |pair| {
            let ends = [Address::v4(BACKEND), Address::v4(POD_A)];
            pair.name_pair(ends, PATH);
            pair.name_flow(key(POD_A, SERVICE), assignment(Assignment::TURNED));
            travel(pair, OURS.data(10).stamped(100, 0));
            travel(pair, OURS.at(1_010).data(10).stamped(101, 0));
            travel(pair, THEIRS.stamped(900, 100));
            let state = pair.agree("a flow through a service");
            for point in [Point::Port, Point::Bridge, Point::Overlay, Point::Underlay0] {
                let buffers = [HIGH_TO_LOW, LOW_TO_HIGH]
                    .map(|direction| state.traffic[&row(PATH, point, direction)][0]);
                assert_eq!(buffers, [2, 1], "{point:?}");
                let sample = state.samples[&row(PATH, point, HIGH_TO_LOW)];
                assert_eq!(sample, 1, "{point:?}");
            }
        },
    );
}

#[test]
fn a_translation_comes_before_the_pair_and_a_waiting_flow_asks_for_it() {
    with_pair(
        "a_translation_comes_before_the_pair_and_a_waiting_flow_asks_for_it",
        |pair| {
            let port = OUT[0];
            let segment = |sequence| {
                OURS.at(sequence)
                    .data(10)
                    .stamped(1, 0)
                    .between(POD_A, SERVICE)
            };
            pair.pass(port, &segment(1_000));
            pair.host.pairs.clear();
            pair.name_flow(key(POD_A, SERVICE), assignment(0));
            pair.name_pair([Address::v4(POD_A), Address::v4(SERVICE)], 9);
            pair.pass(port, &segment(1_010));
            let state = pair.agree("a service with a path of its own");
            let buffers = [0, PATH, 9].map(|path| {
                let counted = state.traffic.get(&row(path, Point::Port, LOW_TO_HIGH));
                counted.map_or(0, |counted| counted[0])
            });
            assert_eq!(buffers, [1, 1, 0]);
        },
    );
}

#[test]
fn a_translated_flow_between_two_pods_of_one_node_counts_once_at_their_ports() {
    with_pair(
        "a_translated_flow_between_two_pods_of_one_node_counts_once_at_their_ports",
        |pair| {
            let [entry, exit] = [Hook::Ingress, Hook::Egress].map(|hook| site(Point::Port, hook));
            pair.name_flow(
                key(POD_A, SERVICE),
                assignment(Assignment::ENTERS_ELSEWHERE),
            );
            pair.name_flow(key(POD_A, POD_B), assignment(Assignment::ENTERS_ELSEWHERE));
            for round in 0..3 {
                let ours = OURS.at(1_000 + round * 10).data(10).stamped(100 + round, 0);
                pair.pass(entry, &ours.between(POD_A, SERVICE));
                pair.pass(exit, &ours.between(POD_A, POD_B));
                let theirs = THEIRS.at(5_000 + round * 10).data(10);
                let theirs = theirs.stamped(900 + round, 100 + round);
                pair.pass(entry, &theirs.between(POD_A, POD_B));
                pair.pass(exit, &theirs.between(POD_A, SERVICE));
            }
            let state = pair.agree("a service on one node");
            for direction in [LOW_TO_HIGH, HIGH_TO_LOW] {
                let buffers = state.traffic[&row(PATH, Point::Port, direction)][0];
                assert_eq!(buffers, 3, "{direction:?}");
            }
            assert_eq!(state.samples[&row(PATH, Point::Port, LOW_TO_HIGH)], 3);
        },
    );
}

#[test]
fn a_masqueraded_flow_from_outside_finds_its_path_at_the_next_epoch() {
    with_pair(
        "a_masqueraded_flow_from_outside_finds_its_path_at_the_next_epoch",
        |pair| {
            let exit = site(Point::Bridge, Hook::Egress);
            let segment = |sequence| {
                OURS.at(sequence)
                    .data(10)
                    .stamped(1, 0)
                    .between(MASQUERADE, POD_B)
            };
            pair.pass(exit, &segment(1_000));
            pair.name_flow(key(MASQUERADE, POD_B), assignment(Assignment::TURNED));
            pair.pass(exit, &segment(1_010));
            pair.control(|control| control.epoch += 1);
            pair.pass(exit, &segment(1_020));
            let state = pair.agree("a masqueraded flow");
            let outside = state.traffic[&row(PATH_EXTERNAL, Point::Bridge, HIGH_TO_LOW)][0];
            let inside = state.traffic[&row(PATH, Point::Bridge, LOW_TO_HIGH)][0];
            assert_eq!((outside, inside), (2, 1));
        },
    );
}
