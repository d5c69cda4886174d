//! Relays on the wire: TCP of known ones, peer relays, discovery, and what the tunnel makes of packets.

use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::outer::OuterKind;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, Tcp, UDP, ethernet, udp};
use observer_ebpf::fixtures::{self, BYPASS_MARK, NODE_A, NODE_B, POD_A, POD_B, TAIL_A, TAIL_B};

use crate::pair::{Pair, with_pair};
use crate::talk::site;

const OUT: Hook = Hook::Egress;
const IN: Hook = Hook::Ingress;

/// TCP of 60 bytes of payload between port 40,000 of the one and a port of the other end.
fn segment(from_relay: bool, port: u16) -> Vec<u8> {
    let (ends, ports) = if from_relay {
        ((NODE_B, NODE_A), (port, 40_000))
    } else {
        ((NODE_A, NODE_B), (40_000, port))
    };
    let tcp = Tcp {
        source: ports.0,
        destination: ports.1,
        ..Tcp::default()
    };
    let packet = layers::Ipv4::new(ends.0, ends.1, TCP).around(&tcp.around(&[0x17; 60]));
    ethernet(IPV4, &packet)
}

#[test]
fn tcp_of_a_known_relay_counts_both_ways_also_without_the_mark() {
    with_pair(
        "tcp_of_a_known_relay_counts_both_ways_also_without_the_mark",
        |pair| {
            pair.add_relay(Address::v4(NODE_B), 443);
            let wire = Point::Underlay0;
            for (hook, frame, mark) in [
                (OUT, segment(false, 443), 0),
                (OUT, segment(false, 443), BYPASS_MARK),
                (IN, segment(true, 443), 0),
                (OUT, segment(false, 8_443), 0),
                (OUT, segment(false, 8_443), BYPASS_MARK),
                (IN, segment(true, 8_443), 0),
                // Somebody who is served at that port here is not the relay.
                (IN, segment(false, 443), 0),
            ] {
                assert!(pair.see(site(wire, hook), &frame, 0, mark));
            }
            let (relay, other) = (OuterKind::RelayTcp as u8, OuterKind::MarkedTcp as u8);
            assert_eq!(
                pair.agree("a relay and a control server").outer_flow_sums(),
                [
                    (other, 8_443, 1, 1, 100),
                    (relay, 443, 0, 1, 100),
                    (relay, 443, 0, 1, 100),
                    (relay, 443, 1, 1, 100),
                ]
            );
        },
    );
}

#[test]
fn a_relay_is_one_at_underlays_alone() {
    with_pair("a_relay_is_one_at_underlays_alone", |pair| {
        pair.add_relay(Address::v4(NODE_B), 443);
        let packet = &segment(false, 443)[14..];
        assert!(pair.see(site(Point::Tunnel, OUT), packet, 0, BYPASS_MARK));
        assert!(pair.agree("in the tunnel").outer_flows.is_empty());
    });
}

fn show(pair: &mut Pair<'_>, point: Point, hook: Hook, name: &str) {
    let fixture = fixtures::named(name).expect("a fixture");
    let (bytes, gso) = (&fixture.bytes, fixture.gso_size);
    assert!(pair.see(site(point, hook), bytes, gso, fixture.mark));
}

#[test]
fn a_peer_relay_is_an_outer_flow_per_session_apart_from_its_control() {
    with_pair(
        "a_peer_relay_is_an_outer_flow_per_session_apart_from_its_control",
        |pair| {
            let wire = Point::Underlay1;
            for name in [
                "peer_relay_data_names_its_session",
                "peer_relay_batch_counts_its_datagrams",
                "peer_relay_initiation_is_control",
                "peer_relay_handshake_with_the_relay_is_control",
                "disco_has_no_session",
                "geneve_with_ethernet_is_plain_udp",
                "wireguard_data_names_its_session",
            ] {
                show(pair, wire, OUT, name);
            }
            show(pair, wire, IN, "peer_relay_data_names_its_session");
            let [data, control, disco, direct] = [
                OuterKind::PeerRelay,
                OuterKind::PeerRelayControl,
                OuterKind::Disco,
                OuterKind::WireGuard,
            ]
            .map(|kind| kind as u8);
            assert_eq!(
                pair.agree("all that tailscaled sends by UDP")
                    .outer_flow_sums(),
                [
                    (direct, 0xa1b2_c3d4, 1, 1, 156),
                    (data, 0x0607_0809, 0, 1, 164),
                    (data, 0x0607_0809, 1, 4, 164 + 428),
                    (control, 0x01_0203, 1, 2, 184 + 126),
                    (disco, 0, 1, 1, 90),
                ]
            );
        },
    );
}

#[test]
fn wireguard_that_is_not_tailscaled_s_is_told_apart_by_the_mark() {
    with_pair(
        "wireguard_that_is_not_tailscaled_s_is_told_apart_by_the_mark",
        |pair| {
            let fixture = fixtures::named("wireguard_data_names_its_session").expect("a fixture");
            let wire = site(Point::Underlay0, OUT);
            for mark in [0, BYPASS_MARK, 0x4_0000] {
                assert!(pair.see(wire, &fixture.bytes, 0, mark));
            }
            let kind = OuterKind::WireGuard as u8;
            assert_eq!(
                pair.agree("one session with and without the mark")
                    .outer_flow_sums(),
                [
                    (kind, 0xa1b2_c3d4, 0, 2, 312),
                    (kind, 0xa1b2_c3d4, 1, 1, 156),
                ]
            );
        },
    );
}

#[test]
fn the_tunnel_sums_up_messages_by_hook() {
    with_pair("the_tunnel_sums_up_messages_by_hook", |pair| {
        let plain = |length: usize| {
            let datagram = udp(5_000, 6_000, &vec![0x61; length - 28]);
            layers::Ipv4::new(POD_A, POD_B, UDP).around(&datagram)
        };
        let host = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&udp(5_000, 6_000, &[0; 72]));
        let tcp = Tcp::default().around(&vec![0x61; 2 * 1_200 + 8]);
        let merged = layers::Ipv4::new(POD_A, POD_B, TCP).around(&tcp);
        let (out, into) = (site(Point::Tunnel, OUT), site(Point::Tunnel, IN));
        assert!(pair.see(out, &plain(88), 0, 0));
        assert!(pair.see(out, &host, 0, 0));
        assert!(pair.see(into, &plain(1_280), 0, 0));
        assert!(pair.see(out, &merged, 1_200, 0));
        assert!(pair.see(site(Point::FlannelWg, OUT), &plain(88), 0, 0));
        let state = pair.agree("three packets out, one of three segments, and one in");
        let out = (32 + 96) + (32 + 112) + 2 * (32 + 1_248) + (32 + 48);
        assert_eq!(state.tunnel, [32 + 1_280, out]);
    });
}
