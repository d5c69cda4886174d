//! Paths, epochs, reserved paths.

use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST, PATH_REFUSED, PATH_UNKNOWN};
use observer_ebpf::fixtures::layers::{self, IPV4, UDP, ethernet, udp};
use observer_ebpf::fixtures::{NODE_A, NODE_B, POD_A};

use crate::pair::with_pair;
use crate::talk::{LOW_TO_HIGH, OURS, OUT, PODS, row, site};

#[test]
fn an_epoch_change_keeps_the_previous_word() {
    with_pair("an_epoch_change_keeps_the_previous_word", |pair| {
        pair.travel(OURS.data(10).stamped(100, 0));
        pair.control(|control| control.epoch = 2);
        pair.pass(OUT[0], &OURS.at(1_010).data(10).stamped(101, 0).frame());
        let state = pair.agree("a second epoch");
        let flow = state.biflows.values().next().expect("a flow");
        // Bits: port in, bridge in, overlay out, all plain; underlay 0 out in VXLAN.
        let all = 1 | 1 << 4 | 1 << 9 | 1 << 23;
        assert_eq!(flow.trajectory, [[2 << 32 | 1, 1 << 32 | all], [0, 0]]);
    });
}

#[test]
fn a_new_version_of_pairs_gives_a_waiting_flow_its_path() {
    with_pair(
        "a_new_version_of_pairs_gives_a_waiting_flow_its_path",
        |pair| {
            let segment = |sequence| OURS.at(sequence).data(10).stamped(sequence, 0);
            pair.travel(segment(1_000));
            pair.name_pair(PODS, 5);
            pair.travel(segment(1_010));
            let state = pair.agree("a named pair");
            for site in OUT {
                let counts = [PATH_UNKNOWN, 5]
                    .map(|path| state.traffic[&row(path, site.point, LOW_TO_HIGH)]);
                assert_eq!(counts, [[1, 62, 1, 0]; 2], "{site:?}");
            }
        },
    );
}

#[test]
fn a_flow_with_a_path_asks_again_at_the_next_epoch_alone() {
    with_pair(
        "a_flow_with_a_path_asks_again_at_the_next_epoch_alone",
        |pair| {
            let port = OUT[0];
            let segment = |sequence| OURS.at(sequence).data(10).stamped(sequence, 0).frame();
            pair.name_pair(PODS, 5);
            pair.pass(port, &segment(1_000));
            pair.name_pair(PODS, 6);
            pair.pass(port, &segment(1_010));
            pair.control(|control| control.epoch += 1);
            pair.pass(port, &segment(1_020));
            let state = pair.agree("a pair that changed its path");
            let buffers = [5, 6].map(|path| state.traffic[&row(path, Point::Port, LOW_TO_HIGH)][0]);
            assert_eq!(buffers, [2, 1]);
        },
    );
}

#[test]
fn one_end_outside_networks_is_external() {
    with_pair("one_end_outside_networks_is_external", |pair| {
        let packet = layers::Ipv4::new(POD_A, [93, 184, 216, 34], UDP);
        let frame = ethernet(IPV4, &packet.around(&udp(40_000, 443, &[0x71; 100])));
        assert!(pair.see(site(Point::Bridge, Hook::Ingress), &frame, 0, 0));
        assert!(pair.see(site(Point::Underlay0, Hook::Egress), &frame, 0, 0));
        let state = pair.agree("a pod and the world");
        assert_eq!(state.biflows.len(), 1);
        for point in [Point::Bridge, Point::Underlay0] {
            assert_eq!(
                state.traffic[&row(PATH_EXTERNAL, point, LOW_TO_HIGH)],
                [1, 128, 1, 0]
            );
        }
    });
}

#[test]
fn an_external_flow_keeps_its_path_at_a_new_epoch_and_version() {
    with_pair(
        "an_external_flow_keeps_its_path_at_a_new_epoch_and_version",
        |pair| {
            let packet = layers::Ipv4::new(POD_A, [93, 184, 216, 34], UDP);
            let frame = ethernet(IPV4, &packet.around(&udp(40_000, 443, &[0x71; 100])));
            let bridge = site(Point::Bridge, Hook::Ingress);
            assert!(pair.see(bridge, &frame, 0, 0));
            pair.name_pair(PODS, 5);
            pair.control(|control| control.epoch += 1);
            assert!(pair.see(bridge, &frame, 0, 0));
            let state = pair.agree("a pod and the world, later");
            assert_eq!(
                state.traffic[&row(PATH_EXTERNAL, Point::Bridge, LOW_TO_HIGH)][0],
                2
            );
        },
    );
}

#[test]
fn the_nodes_own_traffic_gets_no_entry_at_an_underlay() {
    with_pair(
        "the_nodes_own_traffic_gets_no_entry_at_an_underlay",
        |pair| {
            let packet = layers::Ipv4::new(NODE_A, NODE_B, UDP);
            let frame = ethernet(IPV4, &packet.around(&udp(40_000, 53, &[0x71; 20])));
            assert!(pair.see(site(Point::Underlay1, Hook::Egress), &frame, 0, 0));
            let state = pair.agree("two nodes");
            assert!(
                state.biflows.is_empty() && state.outer_flows.is_empty() && state.events.is_empty()
            );
            assert_eq!(
                state.traffic[&row(PATH_HOST, Point::Underlay1, LOW_TO_HIGH)],
                [1, 48, 1, 0]
            );
        },
    );
}

#[test]
fn without_a_number_left_new_pairs_count_as_refused_until_an_epoch_finds_one() {
    with_pair(
        "without_a_number_left_new_pairs_count_as_refused_until_an_epoch_finds_one",
        |pair| {
            let port = OUT[0];
            let segment = |sequence| OURS.at(sequence).data(10).stamped(sequence, 0).frame();
            pair.pass(port, &segment(1_000));
            pair.control(|control| {
                control.paths_full = 1;
                control.pairs_version += 1;
            });
            pair.pass(port, &segment(1_010));
            pair.name_pair(PODS, 5);
            pair.pass(port, &segment(1_020));
            pair.control(|control| control.epoch += 1);
            pair.pass(port, &segment(1_030));
            let state = pair.agree("a pair that waits for a number");
            let buffers = [PATH_UNKNOWN, PATH_REFUSED, 5]
                .map(|path| state.traffic[&row(path, Point::Port, LOW_TO_HIGH)][0]);
            assert_eq!(buffers, [1, 2, 1]);
        },
    );
}
