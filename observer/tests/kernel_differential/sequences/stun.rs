//! STUN is told from tunnels: nodes' messages are outer flows of a kind of their own, a pod's is its flow.

use observer_ebpf::abi::PATH_HOST;
use observer_ebpf::abi::outer::OuterKind;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{self, IPV4, UDP, ethernet, stun, udp};
use observer_ebpf::fixtures::{BYPASS_MARK, NODE_A, NODE_B, POD_A, POD_B};

use crate::pair::with_pair;
use crate::talk::{LOW_TO_HIGH, carry, row, site};

const SERVER: [u8; 4] = [198, 51, 100, 7];
/// Bytes of a request with 20 bytes of attributes.
const BYTES: u64 = 68;

fn request(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let datagram = udp(41_641, 3_478, &stun(1, &[0x61; 20]));
    ethernet(
        IPV4,
        &layers::Ipv4::new(source, destination, UDP).around(&datagram),
    )
}

#[test]
fn a_nodes_stun_is_an_outer_flow_of_its_own_kind() {
    with_pair("a_nodes_stun_is_an_outer_flow_of_its_own_kind", |pair| {
        let wire = site(Point::Underlay0, Hook::Egress);
        for _ in 0..2 {
            assert!(pair.see(wire, &request(NODE_A, SERVER), 0, BYPASS_MARK));
        }
        let state = pair.agree("two requests of a node");
        let kind = OuterKind::Stun as u8;
        assert_eq!(state.outer_flow_sums(), [(kind, 0, 1, 2, 2 * BYTES)]);
        assert_eq!(state.biflows.len(), 0);
    });
}

#[test]
fn a_nodes_stun_on_the_pods_networks_is_no_path() {
    with_pair("a_nodes_stun_on_the_pods_networks_is_no_path", |pair| {
        let (here, there) = ([10, 42, 1, 0], [10, 42, 2, 1]);
        pair.add_nodes(&[here, there]);
        let frame = carry(&request(here, there), NODE_A, NODE_B);
        assert!(pair.see(site(Point::Underlay0, Hook::Egress), &frame, 0, 0));
        let state = pair.agree("a request of a node inside VXLAN");
        let kind = OuterKind::Stun as u8;
        assert_eq!(state.outer_flow_sums(), [(kind, 0, 0, 1, BYTES)]);
        assert_eq!(state.biflows.len(), 0);
        let sent = state.traffic[&row(PATH_HOST, Point::Underlay0, LOW_TO_HIGH)];
        assert_eq!(sent, [1, BYTES, 1, 0]);
    });
}

#[test]
fn a_pods_stun_is_its_flow_and_no_sign_of_a_tunnel() {
    with_pair("a_pods_stun_is_its_flow_and_no_sign_of_a_tunnel", |pair| {
        let port = site(Point::Port, Hook::Ingress);
        assert!(pair.see(port, &request(POD_A, POD_B), 0, 0));
        let state = pair.agree("a request of a pod");
        assert_eq!(state.outer_flows.len(), 0);
        let flow = state.biflows.values().next().expect("an entry");
        // Bit 0 alone: the port, in plain, ingress.
        assert_eq!(flow.trajectory[0][0] & u64::from(u32::MAX), 1);
    });
}
