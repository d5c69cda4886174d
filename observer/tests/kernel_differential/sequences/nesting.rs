//! VXLAN inside VXLAN: whose it is decides whether it is followed.

use observer_ebpf::abi::PATH_HOST;
use observer_ebpf::abi::outer::{OuterKind, Within};
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{self, IPV4, UDP, ethernet, udp};
use observer_ebpf::fixtures::nesting::{Carrier, nested};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A, POD_B, TAIL_A, TAIL_B};
use observer_ebpf::parse::HOST_DEPTH;

use crate::pair::with_pair;
use crate::talk::{HIGH_TO_LOW, LOW_TO_HIGH, OURS, PODS, THEIRS, carry, row, site};

const OUT: Site = site(Point::Underlay0, Hook::Egress);
const IN: Site = site(Point::Underlay0, Hook::Ingress);
/// What the nodes' VXLAN devices have as addresses in the pods' networks.
const HERE: [u8; 4] = [10, 42, 1, 0];
const THERE: [u8; 4] = [10, 42, 2, 0];

#[test]
fn a_pods_packets_in_vxlan_of_the_nodes_in_flannels_are_their_flow() {
    with_pair(
        "a_pods_packets_in_vxlan_of_the_nodes_in_flannels_are_their_flow",
        |pair| {
            pair.add_nodes(&[HERE, THERE]);
            pair.name_pair(PODS, 5);
            let data = OURS.data(10).stamped(100, 1);
            let reply = THEIRS.stamped(7, 100);
            let out = carry(&data.frame(), HERE, THERE);
            let back = carry(&reply.frame(), THERE, HERE);
            let overlay = |hook| site(Point::Overlay, hook);
            assert!(pair.see(overlay(Hook::Egress), &out, 0, 0));
            assert!(pair.see(OUT, &carry(&out, NODE_A, NODE_B), 0, 0));
            assert!(pair.see(IN, &carry(&back, NODE_B, NODE_A), 0, 0));
            assert!(pair.see(overlay(Hook::Ingress), &back, 0, 0));
            let state = pair.agree("VXLAN of the nodes inside flannel's");
            assert_eq!(state.biflows.len(), 1, "the carrier has no entry");
            let traffic = |direction| state.traffic[&row(5, Point::Underlay0, direction)];
            assert_eq!(traffic(LOW_TO_HIGH), [1, 62, 1, 0]);
            assert_eq!(traffic(HIGH_TO_LOW), [1, 52, 1, 0]);
            let carriers = state.traffic[&row(PATH_HOST, Point::Overlay, LOW_TO_HIGH)];
            assert_eq!(carriers, [1, 62 + 50, 1, 0]);
            let sample = row(5, Point::Underlay0, LOW_TO_HIGH);
            assert_eq!(state.samples.get(&sample), Some(&1), "it is timed");
            let within = Within::NOTHING.and(50).word();
            let kind = OuterKind::Vxlan as u8;
            assert_eq!(state.outer_flow_sums(), [(kind, within, 0, 0, 0); 2]);
            assert_eq!(state.counter("too_deep"), 0);
        },
    );
}

#[test]
fn a_flow_once_and_twice_in_vxlan_has_two_outer_flows() {
    with_pair(
        "a_flow_once_and_twice_in_vxlan_has_two_outer_flows",
        |pair| {
            pair.add_nodes(&[HERE, THERE]);
            let frame = OURS.data(10).stamped(100, 1).frame();
            let twice = carry(&carry(&frame, HERE, THERE), NODE_A, NODE_B);
            let mut hashes = [carry(&frame, NODE_A, NODE_B), twice].map(|bytes| {
                assert!(pair.see(OUT, &bytes, 0, 0));
                let state = pair.agree("a flow that is carried by one more");
                let flow = state.biflows.values().next().expect("a flow");
                flow.outer[Point::Underlay0.index()][0]
            });
            assert_eq!(pair.agree("both").outer_flows.len(), 2);
            hashes.sort_unstable();
            assert!(0 < hashes[0] && hashes[0] < hashes[1], "{hashes:?}");
        },
    );
}

/// Whatever it holds, also the addresses of pods: a cluster inside a pod may have the same networks.
#[test]
fn a_pods_own_vxlan_is_its_flow() {
    with_pair("a_pods_own_vxlan_is_its_flow", |pair| {
        pair.add_nodes(&[HERE, THERE]);
        let inside = OURS.between([10, 42, 1, 7], [10, 42, 2, 7]);
        for ends in [(POD_A, POD_B), (HERE, POD_B), (POD_A, THERE)] {
            let frame = carry(&inside, ends.0, ends.1);
            assert!(pair.see(OUT, &carry(&frame, NODE_A, NODE_B), 0, 0));
        }
        let state = pair.agree("VXLAN from or to a pod");
        assert_eq!(state.biflows.len(), 3);
        assert_eq!(state.counter("too_deep"), 0);
    });
}

#[test]
fn a_third_vxlan_header_is_too_deep_in_the_kernel_and_its_carrier_counts() {
    with_pair(
        "a_third_vxlan_header_is_too_deep_in_the_kernel_and_its_carrier_counts",
        |pair| {
            pair.name_pair(PODS, 5);
            let carriers = [Carrier::V4(1), Carrier::V6(2), Carrier::V4(3)];
            let frame = nested(&carriers, &OURS.data(10).frame());
            assert!(pair.see(OUT, &frame, 0, 0));
            let state = pair.agree("three VXLAN headers");
            assert_eq!(state.counter("too_deep"), 1);
            let counted = state.traffic[&row(PATH_HOST, Point::Underlay0, LOW_TO_HIGH)];
            assert_eq!(counted, [1, 62 + 50, 1, 0]);
            pair.host.depth = HOST_DEPTH;
            pair.see_on_host(OUT, &frame, 0, 0);
            let five = row(5, Point::Underlay0, LOW_TO_HIGH);
            let followed = pair.host.traffic().find(|(row, _)| *row == five);
            assert_eq!(followed.map(|(_, traffic)| traffic.bytes), Some(62));
        },
    );
}

/// A first packet between nodes that is no VXLAN at all, and one that is cut.
#[test]
fn what_a_carrier_hides_is_the_carriers_own() {
    with_pair("what_a_carrier_hides_is_the_carriers_own", |pair| {
        pair.add_nodes(&[HERE, THERE]);
        let between = |payload: &[u8]| {
            let datagram = udp(51_000, 8_472, payload);
            let packet = layers::Ipv4::new(HERE, THERE, UDP).around(&datagram);
            carry(&ethernet(IPV4, &packet), NODE_A, NODE_B)
        };
        let arp = layers::vxlan(0x08, &ethernet(0x0806, &[0; 28]));
        assert!(pair.see(OUT, &between(b"hello"), 0, 0));
        assert!(pair.see(OUT, &between(&arp), 0, 0));
        assert_eq!(pair.agree("no IP inside").counter("too_deep"), 0);
        let cut = layers::vxlan(0x08, &[0x5a; 13]);
        assert!(pair.see(OUT, &between(&cut), 0, 0));
        let state = pair.agree("a lie inside");
        assert_eq!(state.counter("too_deep"), 1);
        let host = state.traffic[&row(PATH_HOST, Point::Underlay0, LOW_TO_HIGH)];
        assert_eq!(host, [3, 33 + 78 + 49, 3, 0]);
        assert_eq!(state.biflows.len(), 0, "nodes are no pods");
    });
}

#[test]
fn datagrams_behind_a_first_one_that_is_nested_are_hidden_and_count_on_its_path() {
    with_pair(
        "datagrams_behind_a_first_one_that_is_nested_are_hidden_and_count_on_its_path",
        |pair| {
            pair.add_nodes(&[HERE, THERE]);
            pair.name_pair(PODS, 5);
            let frame = carry(&OURS.data(10).frame(), HERE, THERE);
            let datagram = layers::vxlan(0x08, &frame);
            let load = udp(51_000, 8_472, &datagram.repeat(3));
            let bytes = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&load);
            let gso_size = u32::try_from(datagram.len()).expect("a length");
            let tunnel = site(Point::Tunnel, Hook::Ingress);
            assert!(pair.see(tunnel, &bytes, gso_size, 0));
            let state = pair.agree("a merged buffer of nested datagrams");
            let counted = state.traffic[&row(5, Point::Tunnel, LOW_TO_HIGH)];
            assert_eq!(counted, [1, 3 * 62, 3, 0]);
            assert_eq!(state.counter("datagrams_hidden"), 2);
        },
    );
}
