//! Merged UDP buffers: what stands behind the first datagram counts on the path of its own pair.

use observer_ebpf::abi::PATH_UNKNOWN;
use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{
    self, FRAGMENT, IPV4, IPV6, TCP, Tcp, UDP, ethernet, fragment, stamped, udp,
};
use observer_ebpf::fixtures::{POD_A, POD_A6, POD_B, POD_B6, TAIL_A, TAIL_B};

use crate::pair::{Pair, with_pair};
use crate::talk::{HIGH_TO_LOW, LOW_TO_HIGH, PODS, row, site};

const IN: Site = site(Point::Tunnel, Hook::Ingress);
const OTHER: [u8; 4] = [10, 42, 1, 9];

/// VXLAN and Ethernet around an inner packet.
fn datagram(kind: u16, packet: &[u8]) -> Vec<u8> {
    layers::vxlan(0x08, &ethernet(kind, packet))
}

/// An IPv4 packet of `length` bytes with this fragment field.
fn packet(source: [u8; 4], destination: [u8; 4], fragmentation: u16, length: usize) -> Vec<u8> {
    let header = layers::Ipv4 {
        fragmentation,
        ..layers::Ipv4::new(source, destination, UDP)
    };
    datagram(
        IPV4,
        &header.around(&udp(41_641, 41_641, &vec![0x62; length - 28])),
    )
}

/// One buffer of several datagrams, all as long as the first one but the last.
fn show(pair: &mut Pair<'_>, datagrams: &[Vec<u8>]) {
    let each = datagrams[0].len();
    assert!(datagrams.iter().rev().skip(1).all(|one| one.len() == each));
    let packet = layers::Ipv4::new(TAIL_A, TAIL_B, UDP);
    let bytes = packet.around(&udp(51_000, 8_472, &datagrams.concat()));
    let gso_size = u32::try_from(each).expect("a datagram's length");
    assert!(pair.see(IN, &bytes, gso_size, 0));
}

const TUNNEL: Point = Point::Tunnel;

#[test]
fn fragments_behind_the_first_datagram_are_counted() {
    with_pair("fragments_behind_the_first_datagram_are_counted", |pair| {
        pair.name_pair(PODS, 5);
        let first = || packet(POD_A, POD_B, 0x2000, 228);
        let middle = || packet(POD_A, POD_B, 0x201a, 228);
        let later = packet(POD_A, POD_B, 52, 132);
        show(pair, &[first(), later.clone()]);
        show(
            pair,
            &[packet(POD_A, POD_B, 0, 228), first(), middle(), later],
        );
        let state = pair.agree("a batch of fragments");
        let index = row(5, TUNNEL, LOW_TO_HIGH);
        assert_eq!(state.traffic[&index], [2, 4 * 228 + 2 * 132, 6, 0]);
        assert_eq!(state.fragments[&index], [5, 0]);
        assert_eq!(state.counter("datagrams_hidden"), 0);
    });
}

#[test]
fn fragments_of_ipv6_behind_the_first_datagram_are_counted() {
    with_pair(
        "fragments_of_ipv6_behind_the_first_datagram_are_counted",
        |pair| {
            let cut = |offset, more| {
                let load = fragment(UDP, offset, more, &[0x62; 80]);
                let packet = layers::Ipv6::new(POD_A6, POD_B6, FRAGMENT).around(&load);
                datagram(IPV6, &packet)
            };
            let whole = layers::Ipv6::new(POD_A6, POD_B6, UDP);
            let whole = datagram(IPV6, &whole.around(&udp(40_000, 5_201, &[0x62; 80])));
            show(pair, &[cut(0, true), whole, cut(1, false)]);
            let state = pair.agree("a batch of IPv6");
            let index = row(PATH_UNKNOWN, TUNNEL, LOW_TO_HIGH);
            assert_eq!(state.traffic[&index], [1, 3 * 128, 3, 0]);
            assert_eq!(state.fragments[&index], [2, 0]);
        },
    );
}

#[test]
fn a_datagram_of_another_pair_counts_on_its_own_path() {
    with_pair(
        "a_datagram_of_another_pair_counts_on_its_own_path",
        |pair| {
            pair.name_pair(PODS, 5);
            pair.name_pair([Address::v4(OTHER), Address::v4(POD_B)], 6);
            show(
                pair,
                &[
                    packet(POD_A, POD_B, 0, 128),
                    packet(OTHER, POD_B, 0, 128),
                    packet(POD_B, OTHER, 0x2000, 128),
                    packet(POD_B, POD_A, 0, 128),
                    packet(POD_A, OTHER, 0, 128),
                    packet(POD_A, POD_B, 0, 100),
                ],
            );
            let state = pair.agree("four pairs in one buffer");
            let traffic = |path, direction| state.traffic[&row(path, TUNNEL, direction)];
            assert_eq!(traffic(5, LOW_TO_HIGH), [1, 228, 2, 0]);
            assert_eq!(traffic(6, LOW_TO_HIGH), [0, 128, 1, 0]);
            assert_eq!(traffic(6, HIGH_TO_LOW), [0, 128, 1, 0]);
            assert_eq!(traffic(5, HIGH_TO_LOW), [0, 128, 1, 0]);
            assert_eq!(traffic(PATH_UNKNOWN, LOW_TO_HIGH), [0, 128, 1, 0]);
            let fragments = state.fragments.iter().collect::<Vec<_>>();
            assert_eq!(fragments, [(&row(6, TUNNEL, HIGH_TO_LOW), &[1, 0])]);
        },
    );
}

#[test]
fn a_datagram_that_cannot_be_looked_at_is_in_the_ledger() {
    with_pair(
        "a_datagram_that_cannot_be_looked_at_is_in_the_ledger",
        |pair| {
            pair.name_pair(PODS, 5);
            let mut other_type = packet(POD_A, POD_B, 0, 128);
            other_type[20..22].copy_from_slice(&0x0806_u16.to_be_bytes());
            let mut no_vxlan = packet(POD_A, POD_B, 0, 128);
            no_vxlan[0] = 0;
            let good = || packet(POD_A, POD_B, 0, 128);
            let short = good()[..41].to_vec();
            show(pair, &[good(), other_type, no_vxlan, good(), short]);
            let state = pair.agree("ARP, no VXLAN, a cut one");
            let index = row(5, TUNNEL, LOW_TO_HIGH);
            assert_eq!(state.traffic[&index], [1, 4 * 128 + 41 - 22, 5, 0]);
            assert_eq!(state.counter("datagrams_hidden"), 3);
        },
    );
}

/// Of a merged buffer the first segment is the one that a point is armed with.
#[test]
fn the_first_datagram_of_a_buffer_is_timed_alone() {
    with_pair("the_first_datagram_of_a_buffer_is_timed_alone", |pair| {
        let segment = |sequence, value| {
            let options = stamped(value, 7);
            let tcp = Tcp {
                sequence,
                options: &options,
                ..Tcp::default()
            };
            let load = tcp.around(&[0x61; 100]);
            datagram(IPV4, &layers::Ipv4::new(POD_A, POD_B, TCP).around(&load))
        };
        show(pair, &[segment(1_000, 50), segment(1_100, 51)]);
        let state = pair.agree("two segments in one buffer");
        let flow = state.biflows.values().next().expect("a flow");
        assert_eq!(flow.armed[TUNNEL as usize][0], (50, true));
        assert_eq!(flow.fresh[0] >> 32, 1_100, "where the first segment ends");
    });
}
