//! Later fragments count on the path of the flow that their first one names.

use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKey, FlowKind};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST};
use observer_ebpf::fixtures::layers::{
    self, DESTINATION, FRAGMENT, IPV4, IPV6, UDP, ethernet, lying_udp,
};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_A6, POD_B, POD_B6};

use crate::pair::{Pair, with_pair};
use crate::state::State;
use crate::talk::{HIGH_TO_LOW, LOW_TO_HIGH, PODS, carry, row, site};

const OUT: Site = site(Point::Port, Hook::Ingress);
const BACK: Site = site(Point::Port, Hook::Egress);
/// Paths of the flow and of its pair: what counts on the first was joined.
const FLOW: u16 = 7;
const PAIR: u16 = 6;
/// Bytes of a first and of a later fragment.
const FIRST: u64 = 116;
const LATER: u64 = 68;

fn fragment(ends: [[u8; 4]; 2], protocol: u8, is_first: bool, identification: u16) -> Vec<u8> {
    let header = layers::Ipv4 {
        fragmentation: if is_first { 0x2000 } else { 0x000c },
        ..layers::Ipv4::new(ends[0], ends[1], protocol)
    };
    let first = lying_udp(40_000, 5_201, 144_u16.to_be_bytes(), &[0x62; 88]);
    let mut packet = header.around(if is_first { &first } else { &[0x64; 48] });
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    ethernet(IPV4, &packet)
}

fn flow(low_port: u16, high_port: u16, family: Family) -> FlowKey {
    let ends = match family {
        Family::V4 => PODS,
        Family::V6 => [POD_A6, POD_B6].map(|pod| Address::v6(pod.octets())),
    };
    let end = |address, port| Endpoint { address, port };
    let (low, high) = (end(ends[0], low_port), end(ends[1], high_port));
    FlowKey::canonical(low, high, UDP, (FlowKind::Flow, family)).0
}

fn name(pair: &mut Pair<'_>, flow: FlowKey) {
    let assignment = Assignment {
        path: FLOW,
        rate: 0,
        flags: 0,
    };
    pair.name_flow(flow, assignment);
    pair.name_pair([flow.low, flow.high], PAIR);
}

fn show(pair: &mut Pair<'_>, site: Site, frames: &[Vec<u8>]) -> State {
    for frame in frames {
        assert!(pair.see(site, frame, 0, 0));
    }
    pair.agree("fragments")
}

fn counted(state: &State, path: u16, point: Point, direction: FlowDirection) -> [u64; 4] {
    let row = row(path, point, direction);
    state.traffic.get(&row).copied().unwrap_or_default()
}

#[test]
fn a_later_fragment_counts_on_its_flows_path_and_makes_no_entry() {
    with_pair(
        "a_later_fragment_counts_on_its_flows_path_and_makes_no_entry",
        |pair| {
            name(pair, flow(40_000, 5_201, Family::V4));
            let ends = [POD_A, POD_B];
            let frames = [true, false, false].map(|first| fragment(ends, UDP, first, 9));
            let state = show(pair, OUT, &frames);
            let bytes = FIRST + 2 * LATER;
            assert_eq!(
                counted(&state, FLOW, Point::Port, LOW_TO_HIGH),
                [3, bytes, 3, 0]
            );
            assert_eq!(
                state.fragments[&row(FLOW, Point::Port, LOW_TO_HIGH)],
                [3, 0]
            );
            assert_eq!((state.biflows.len(), state.firsts.len()), (1, 1));
            assert_eq!(state.counter("fragments_unmatched"), 0);
        },
    );
}

#[test]
fn the_other_direction_and_vxlan_are_joined_too() {
    with_pair("the_other_direction_and_vxlan_are_joined_too", |pair| {
        name(pair, flow(5_201, 40_000, Family::V4));
        let frames = [true, false].map(|first| {
            let frame = fragment([POD_B, POD_A], UDP, first, 9);
            carry(&frame, NODE_B, NODE_A)
        });
        let wire = site(Point::Underlay0, Hook::Ingress);
        let state = show(pair, wire, &frames);
        let sums = counted(&state, FLOW, Point::Underlay0, HIGH_TO_LOW);
        assert_eq!(sums, [2, FIRST + LATER, 2, 0]);
    });
}

#[test]
fn a_later_fragment_without_its_first_counts_on_its_pair_and_in_the_ledger() {
    with_pair(
        "a_later_fragment_without_its_first_counts_on_its_pair_and_in_the_ledger",
        |pair| {
            name(pair, flow(40_000, 5_201, Family::V4));
            let ends = [POD_A, POD_B];
            let frames = [
                fragment(ends, UDP, true, 9),
                fragment(ends, UDP, false, 10),
                fragment(ends, 6, false, 9),
                fragment([POD_B, POD_A], UDP, false, 9),
            ];
            let state = show(pair, OUT, &frames);
            let there = counted(&state, PAIR, Point::Port, LOW_TO_HIGH);
            assert_eq!(
                there,
                [2, 2 * LATER, 2, 0],
                "another packet, another protocol"
            );
            let back = counted(&state, PAIR, Point::Port, HIGH_TO_LOW);
            assert_eq!(back, [1, LATER, 1, 0], "another direction");
            assert_eq!(state.counter("fragments_unmatched"), 3);
            assert_eq!(state.biflows.len(), 1);
        },
    );
}

#[test]
fn an_ipv6_packet_is_joined_whatever_header_its_fragments_name() {
    with_pair(
        "an_ipv6_packet_is_joined_whatever_header_its_fragments_name",
        |pair| {
            name(pair, flow(40_000, 5_201, Family::V6));
            let header = layers::Ipv6::new(POD_A6, POD_B6, FRAGMENT);
            let datagram = lying_udp(40_000, 5_201, 144_u16.to_be_bytes(), &[0x62; 88]);
            let options = layers::extension(UDP, 0, &datagram);
            let first = layers::fragment(DESTINATION, 0, true, &options);
            let later = layers::fragment(DESTINATION, 13, false, &[0x64; 48]);
            let frames = [first, later].map(|load| ethernet(IPV6, &header.around(&load)));
            let state = show(pair, OUT, &frames);
            let sums = counted(&state, FLOW, Point::Port, LOW_TO_HIGH);
            assert_eq!(sums, [2, 40 + 112 + 40 + 56, 2, 0]);
        },
    );
}

#[test]
fn between_two_ports_a_later_fragment_counts_where_it_entered() {
    with_pair(
        "between_two_ports_a_later_fragment_counts_where_it_entered",
        |pair| {
            name(pair, flow(40_000, 5_201, Family::V4));
            let frames = [true, false].map(|first| fragment([POD_A, POD_B], UDP, first, 9));
            show(pair, OUT, &frames);
            let state = show(pair, BACK, &frames);
            let sums = counted(&state, FLOW, Point::Port, LOW_TO_HIGH);
            assert_eq!(sums, [2, FIRST + LATER, 2, 0]);
        },
    );
}

#[test]
fn fragments_of_nodes_and_strangers_are_theirs() {
    with_pair("fragments_of_nodes_and_strangers_are_theirs", |pair| {
        let wire = site(Point::Underlay0, Hook::Egress);
        let nodes = [true, false].map(|first| fragment([NODE_A, NODE_B], UDP, first, 9));
        let state = show(pair, wire, &nodes);
        let sums = counted(&state, PATH_HOST, Point::Underlay0, LOW_TO_HIGH);
        assert_eq!(sums, [2, FIRST + LATER, 2, 0]);
        assert_eq!(state.firsts.len(), 0);
        let stranger = [198, 51, 100, 7];
        let leaves = [true, false].map(|first| fragment([POD_A, stranger], UDP, first, 9));
        let state = show(pair, wire, &leaves);
        let sums = counted(&state, PATH_EXTERNAL, Point::Underlay0, LOW_TO_HIGH);
        assert_eq!(sums, [2, FIRST + LATER, 2, 0]);
        assert_eq!(state.counter("fragments_unmatched"), 0);
    });
}

/// A pod that talks with itself over its bridge: the ports alone order the flow, and later fragments have
/// none.
#[test]
fn between_equal_addresses_a_later_fragment_counts_once_at_the_ports() {
    with_pair(
        "between_equal_addresses_a_later_fragment_counts_once_at_the_ports",
        |pair| {
            let ends = [POD_A, POD_A];
            let frames = [true, false].map(|first| fragment(ends, UDP, first, 9));
            show(pair, OUT, &frames);
            let state = show(pair, BACK, &frames);
            let all: u64 = state.traffic.values().map(|sums| sums[0]).sum();
            assert_eq!((state.counter("frames"), all), (4, 2));
            assert_eq!(state.counter("fragments_unmatched"), 0);
        },
    );
}
