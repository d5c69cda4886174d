//! ICMP errors count on the path of the flow that they are about, and make nothing.

use std::collections::BTreeMap;

use observer_ebpf::abi::announced::ANNOUNCED;
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKey, FlowKind};
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST, PATH_UNKNOWN};
use observer_ebpf::fixtures::layers::{self, ICMP, IPV4, TCP, Tcp, UDP, ethernet, udp};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_B};

use crate::pair::{Pair, with_pair};
use crate::state::State;
use crate::talk::{HIGH_TO_LOW, LOW_TO_HIGH, row, site};

/// The first node's pod bridge, which sends the errors.
const BRIDGE: [u8; 4] = [10, 42, 1, 1];
/// Bytes of an error that quotes 28.
const BYTES: u64 = 56;

fn segment(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let header = layers::Ipv4::new(source, destination, TCP);
    header.around(&Tcp::default().around(&[0x61; 1_400]))
}

/// An error to the sender of a packet: it takes 1,230 bytes at most.
fn too_big(packet: &[u8]) -> Vec<u8> {
    announcing(1_230, packet)
}

fn announcing(mtu: u16, packet: &[u8]) -> Vec<u8> {
    unreachable(4, mtu, packet)
}

/// An error to the sender of a packet, that it could not be delivered for the reason of this code.
fn unreachable(code: u8, mtu: u16, packet: &[u8]) -> Vec<u8> {
    let mut message = layers::echo(3, 0, mtu, &packet[..28]);
    message[1] = code;
    let sender = packet[12..16].try_into().expect("an address");
    ethernet(
        IPV4,
        &layers::Ipv4::new(BRIDGE, sender, ICMP).around(&message),
    )
}

fn into_pod(pair: &mut Pair<'_>, frame: &[u8]) {
    assert!(pair.see(site(Point::Port, Hook::Egress), frame, 0, 0));
}

fn out_of_pod(pair: &mut Pair<'_>, frame: &[u8]) {
    assert!(pair.see(site(Point::Port, Hook::Ingress), frame, 0, 0));
}

#[test]
fn an_error_counts_on_the_way_back_of_its_flow_and_leaves_the_entry_as_it_is() {
    with_pair(
        "an_error_counts_on_the_way_back_of_its_flow_and_leaves_the_entry_as_it_is",
        |pair| {
            pair.name_pair([POD_A, POD_B].map(Address::v4), 7);
            out_of_pod(pair, &ethernet(IPV4, &segment(POD_A, POD_B)));
            let before = pair.agree("a segment").biflows;
            into_pod(pair, &too_big(&segment(POD_A, POD_B)));
            let state = pair.agree("a segment and an error about it");
            let back = state.traffic[&row(7, Point::Port, HIGH_TO_LOW)];
            assert_eq!(back, [1, BYTES, 1, 0]);
            assert_eq!(state.counter("icmp_errors_unmatched"), 0);
            assert_eq!(state.biflows, before);
        },
    );
}

#[test]
fn an_error_about_a_translated_flow_counts_on_the_path_of_its_real_ends() {
    with_pair(
        "an_error_about_a_translated_flow_counts_on_the_path_of_its_real_ends",
        |pair| {
            let (service, backend) = ([10, 43, 0, 1], [10, 42, 0, 9]);
            let end = |address, port| Endpoint {
                address: Address::v4(address),
                port,
            };
            let kind = (FlowKind::Flow, Family::V4);
            let (key, _) = FlowKey::canonical(end(POD_A, 40_000), end(service, 8_080), TCP, kind);
            let turned = Assignment {
                path: 7,
                rate: 0,
                flags: Assignment::TURNED,
            };
            pair.name_flow(key, turned);
            pair.name_pair([backend, POD_A].map(Address::v4), 7);
            out_of_pod(pair, &ethernet(IPV4, &segment(POD_A, service)));
            into_pod(pair, &too_big(&segment(POD_A, service)));
            let state = pair.agree("an error about a translated flow");
            let sent = state.traffic[&row(7, Point::Port, HIGH_TO_LOW)];
            assert_eq!(sent[2], 1, "the segment: from the higher end");
            let back = state.traffic[&row(7, Point::Port, LOW_TO_HIGH)];
            assert_eq!(back, [1, BYTES, 1, 0]);
        },
    );
}

#[test]
fn an_error_about_an_unknown_flow_counts_on_its_pair_and_makes_no_entry() {
    with_pair(
        "an_error_about_an_unknown_flow_counts_on_its_pair_and_makes_no_entry",
        |pair| {
            let count = |pair: &mut Pair<'_>, path| {
                into_pod(pair, &too_big(&segment(POD_A, POD_B)));
                let state = pair.agree("an error about a flow without an entry");
                assert_eq!(state.biflows.len(), 0);
                assert!(state.events.is_empty());
                let back = state.traffic[&row(path, Point::Port, HIGH_TO_LOW)];
                assert_eq!(back, [1, BYTES, 1, 0]);
                state.counter("icmp_errors_unmatched")
            };
            assert_eq!(count(pair, PATH_UNKNOWN), 1);
            pair.name_pair([POD_A, POD_B].map(Address::v4), 7);
            assert_eq!(count(pair, 7), 2);
            let stranger = [198, 51, 100, 7];
            into_pod(pair, &too_big(&segment(POD_A, stranger)));
            let state = pair.agree("an error about what left the cluster");
            let back = state.traffic[&row(PATH_EXTERNAL, Point::Port, HIGH_TO_LOW)];
            assert_eq!(back, [1, BYTES, 1, 0]);
            pair.add_nodes(&[BRIDGE]);
            into_pod(pair, &too_big(&segment(POD_A, BRIDGE)));
            let state = pair.agree("an error about what a pod sent to its node");
            assert!(
                state
                    .traffic
                    .keys()
                    .any(|&index| index / 16 == u32::from(PATH_HOST))
            );
        },
    );
}

#[test]
fn an_error_about_an_outer_packet_is_the_hosts() {
    with_pair("an_error_about_an_outer_packet_is_the_hosts", |pair| {
        for load in [
            udp(41_641, 41_641, &layers::wireguard(4, [1, 2, 3, 4], 1_280)),
            udp(
                51_000,
                8_472,
                &layers::vxlan(0x08, &ethernet(IPV4, &segment(POD_A, POD_B))),
            ),
        ] {
            pair.clear();
            let outer = layers::Ipv4::new(NODE_A, NODE_B, UDP).around(&load);
            let wire = site(Point::Underlay0, Hook::Ingress);
            assert!(pair.see(wire, &too_big(&outer), 0, 0));
            let state = pair.agree("an error about an outer packet");
            let back = state.traffic[&row(PATH_HOST, Point::Underlay0, HIGH_TO_LOW)];
            assert_eq!(back, [1, BYTES, 1, 0]);
            assert_eq!((state.biflows.len(), state.outer_flows.len()), (0, 0));
            assert_eq!(state.counter("icmp_errors_unmatched"), 0);
        }
    });
}

/// (announced MTU, path, direction) and packets, in no order.
fn announced(state: &State) -> BTreeMap<(u32, u16, u8), u64> {
    let found = state.announced.iter().map(|(key, &packets)| {
        assert_eq!(key[..16], Address::v4(BRIDGE).octets(), "the sender");
        let mtu = u32::from_ne_bytes(key[16..20].try_into().expect("four bytes"));
        let path = u16::from_ne_bytes(key[20..22].try_into().expect("two bytes"));
        ((mtu, path, key[22]), packets)
    });
    found.collect()
}

#[test]
fn what_is_announced_to_a_pod_counts_once_by_mtu_on_the_way_of_what_was_too_long() {
    with_pair(
        "what_is_announced_to_a_pod_counts_once_by_mtu_on_the_way_of_what_was_too_long",
        |pair| {
            pair.name_pair([POD_A, POD_B].map(Address::v4), 7);
            pair.control(|control| control.ports_attached = 1);
            out_of_pod(pair, &ethernet(IPV4, &segment(POD_A, POD_B)));
            let state = pair.agree("a segment");
            assert_eq!(announced(&state), BTreeMap::new());
            let told = |mtu| announcing(mtu, &segment(POD_A, POD_B));
            let bridge = site(Point::Bridge, Hook::Egress);
            for mtu in [1_230, 1_230, 1_400, 0] {
                assert!(pair.see(bridge, &told(mtu), 0, 0));
                into_pod(pair, &told(mtu));
            }
            // From a pod, on the wire, of another kind: none is told to a pod that its packet is too long.
            out_of_pod(pair, &told(1_230));
            assert!(pair.see(site(Point::Underlay0, Hook::Egress), &told(1_230), 0, 0));
            into_pod(pair, &unreachable(1, 1_230, &segment(POD_A, POD_B)));
            let state = pair.agree("errors");
            let along = LOW_TO_HIGH as u8;
            let expected = [(1_230, 2), (1_400, 1), (0, 1)];
            let expected = expected.map(|(mtu, packets)| ((mtu, 7, along), packets));
            assert_eq!(announced(&state), BTreeMap::from(expected));

            pair.control(|control| control.ports_attached = 0);
            assert!(pair.see(bridge, &told(1_230), 0, 0));
            into_pod(pair, &told(1_230));
            let state = pair.agree("an error without ports");
            assert_eq!(announced(&state)[&(1_230, 7, along)], 3);
        },
    );
}

#[test]
fn an_announced_mtu_that_finds_the_map_full_is_counted_as_that() {
    with_pair(
        "an_announced_mtu_that_finds_the_map_full_is_counted_as_that",
        |pair| {
            pair.name_pair([POD_A, POD_B].map(Address::v4), 7);
            pair.control(|control| control.ports_attached = 1);
            let room = u16::try_from(ANNOUNCED).expect("few");
            let beyond = 3;
            for mtu in 1..=room + beyond {
                into_pod(pair, &announcing(mtu, &segment(POD_A, POD_B)));
            }
            into_pod(pair, &announcing(1, &segment(POD_A, POD_B)));
            let state = pair.agree("more numbers than there is room for");
            assert_eq!(announced(&state).len(), usize::from(room));
            assert_eq!(announced(&state)[&(1, 7, LOW_TO_HIGH as u8)], 2);
            assert_eq!(state.counter("announced_refused"), u64::from(beyond));
            assert_eq!(state.counter("drops_refused"), 0);
        },
    );
}
