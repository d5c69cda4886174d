//! tailscaled's own packets on the pods' networks: outer flows by their inner ends, no pod's path.

use observer_ebpf::abi::PATH_HOST;
use observer_ebpf::abi::biflow::{CARRIES_DISCO, CARRIES_WIREGUARD};
use observer_ebpf::abi::outer::OuterKind;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet, udp};
use observer_ebpf::fixtures::{BYPASS_MARK, NODE_A, NODE_B, POD_A, POD_B};

use crate::pair::{Pair, with_pair};
use crate::talk::{LOW_TO_HIGH, carry, row, site};

const OUT: Hook = Hook::Egress;
const IN: Hook = Hook::Ingress;
/// The VXLAN device of the first node, and the pod bridge of the second.
const HERE: [u8; 4] = [10, 42, 1, 0];
const THERE: [u8; 4] = [10, 42, 2, 1];

fn frame(source: [u8; 4], destination: [u8; 4], message: &[u8]) -> Vec<u8> {
    let packet = layers::Ipv4::new(source, destination, UDP);
    ethernet(IPV4, &packet.around(&udp(41_641, 41_641, message)))
}

/// 128 bytes of WireGuard.
fn data() -> Vec<u8> {
    layers::wireguard(4, [9, 0, 0, 0], 128)
}

fn disco() -> Vec<u8> {
    layers::disco(62)
}

fn show(pair: &mut Pair<'_>, point: Point, hook: Hook, frame: &[u8], mark: u32) {
    let carried = match (point.is_underlay(), hook) {
        (false, _) => frame.to_vec(),
        (true, OUT) => carry(frame, NODE_A, NODE_B),
        (true, IN) => carry(frame, NODE_B, NODE_A),
    };
    assert!(pair.see(site(point, hook), &carried, 0, mark));
}

const WIRE: Point = Point::Underlay0;
const OVERLAY: Point = Point::Overlay;

#[test]
fn wireguard_between_nodes_inside_vxlan_is_a_carrier_and_no_path() {
    with_pair(
        "wireguard_between_nodes_inside_vxlan_is_a_carrier_and_no_path",
        |pair| {
            pair.add_nodes(&[HERE, THERE]);
            let (out, back) = (frame(HERE, THERE, &data()), frame(THERE, HERE, &data()));
            show(pair, OVERLAY, OUT, &out, BYPASS_MARK);
            show(pair, WIRE, OUT, &out, BYPASS_MARK);
            show(pair, WIRE, IN, &back, 0);
            show(pair, OVERLAY, IN, &back, 0);
            let hello = layers::wireguard(1, [0; 4], 148);
            show(pair, WIRE, OUT, &frame(HERE, THERE, &hello), BYPASS_MARK);
            show(pair, WIRE, OUT, &frame(HERE, THERE, &disco()), BYPASS_MARK);
            show(pair, WIRE, IN, &frame(THERE, HERE, &disco()), 0);
            let state = pair.agree("a tunnel in the overlay");
            assert_eq!(state.biflows.len(), 0);
            let (data, control) = (
                OuterKind::OverlayWireGuard as u8,
                OuterKind::OverlayControl as u8,
            );
            assert_eq!(
                state.outer_flow_sums(),
                [
                    (data, 9, 0, 1, 156),
                    (data, 9, 1, 1, 156),
                    (control, 0, 0, 1, 90),
                    (control, 0, 1, 2, 176 + 90),
                ]
            );
            let sent = state.traffic[&row(PATH_HOST, WIRE, LOW_TO_HIGH)];
            assert_eq!(sent, [3, 156 + 176 + 90, 3, 0]);
        },
    );
}

/// Also before the far node's addresses are known.
#[test]
fn what_bears_the_mark_in_the_overlay_is_no_pods_whatever_it_says() {
    with_pair(
        "what_bears_the_mark_in_the_overlay_is_no_pods_whatever_it_says",
        |pair| {
            let stun = [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0];
            let segment = Tcp::default().around(&[0x17; 60]);
            let tcp = layers::Ipv4::new(HERE, THERE, TCP).around(&segment);
            for frame in [
                frame(HERE, THERE, &stun),
                frame(HERE, POD_B, b"anything"),
                ethernet(IPV4, &tcp),
            ] {
                show(pair, OVERLAY, OUT, &frame, BYPASS_MARK);
                show(pair, WIRE, OUT, &frame, BYPASS_MARK);
            }
            let state = pair.agree("marked packets of all kinds");
            assert_eq!((state.biflows.len(), state.outer_flows.len()), (0, 0));
        },
    );
}

#[test]
fn messages_between_a_node_and_a_pod_are_the_nodes_everywhere() {
    with_pair(
        "messages_between_a_node_and_a_pod_are_the_nodes_everywhere",
        |pair| {
            pair.add_nodes(&[HERE, THERE]);
            for message in [disco(), data()] {
                let frame = frame(THERE, POD_A, &message);
                show(pair, WIRE, IN, &frame, 0);
                for (point, hook) in [(OVERLAY, IN), (Point::Bridge, OUT), (Point::Port, OUT)] {
                    show(pair, point, hook, &frame, 0);
                }
            }
            let state = pair.agree("a node that asks a proxy");
            assert_eq!((state.biflows.len(), state.outer_flows.len()), (0, 2));
        },
    );
}

#[test]
fn other_packets_of_nodes_and_wireguard_of_pods_are_flows() {
    with_pair(
        "other_packets_of_nodes_and_wireguard_of_pods_are_flows",
        |pair| {
            pair.add_nodes(&[HERE, THERE]);
            let later = |source, destination| {
                let header = layers::Ipv4 {
                    fragmentation: 0x000a,
                    ..layers::Ipv4::new(source, destination, UDP)
                };
                ethernet(IPV4, &header.around(&[0x62; 80]))
            };
            show(pair, WIRE, IN, &frame(POD_B, POD_A, &data()), 0);
            show(pair, WIRE, IN, &frame(POD_B, POD_A, &disco()), 0);
            show(pair, WIRE, IN, &frame(THERE, POD_A, b"a datagram"), 0);
            show(pair, WIRE, IN, &later(THERE, POD_A), 0);
            let flows = pair.agree("flows of pods and nodes");
            assert_eq!((flows.biflows.len(), flows.outer_flows.len()), (2, 1));
            assert_eq!(flows.counter("fragments_unmatched"), 1);
            show(pair, WIRE, IN, &later(THERE, HERE), 0);
            let state = pair.agree("a later fragment between nodes");
            assert_eq!((state.biflows.len(), state.outer_flows.len()), (2, 2));
            assert_eq!(state.counter("fragments_unmatched"), 1);
        },
    );
}

#[test]
fn what_a_pods_packets_carry_is_in_their_trajectory() {
    with_pair("what_a_pods_packets_carry_is_in_their_trajectory", |pair| {
        let mut bits = |messages: &[Vec<u8>]| {
            pair.clear();
            for message in messages {
                show(pair, Point::Port, IN, &frame(POD_A, POD_B, message), 0);
            }
            let state = pair.agree("what a pod sends");
            let flow = state.biflows.values().next().expect("a flow");
            flow.trajectory[0][0] & u64::from(u32::MAX)
        };
        let hello = layers::wireguard(1, [0; 4], 148);
        assert_eq!(bits(&[hello]), 1, "a handshake is no data");
        assert_eq!(bits(&[data()]), 1 | 1 << CARRIES_WIREGUARD);
        assert_eq!(bits(&[disco()]), 1 | 1 << CARRIES_DISCO);
        let both = 1 << CARRIES_WIREGUARD | 1 << CARRIES_DISCO;
        assert_eq!(bits(&[data(), disco(), b"more".to_vec()]), 1 | both);
    });
}
