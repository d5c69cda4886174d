//! Round trips: what arms, what answers, what is selected, what is given up.

use observer_ebpf::abi::event::EventKind;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{ICMP, IPV4, Ipv4, TCP, Tcp, echo, ethernet};
use observer_ebpf::fixtures::{POD_A, POD_B};
use observer_ebpf::parse::{TCP_ACK, TCP_RST, TCP_SYN};
use observer_ebpf::step::is_selected;

use crate::pair::with_pair;
use crate::state::{Flow, State};
use crate::talk::{BACK, HIGH_TO_LOW, LOW_TO_HIGH, OURS, OUT, Segment, THEIRS, row, site};

/// The points that a packet to another node passes.
const POINTS: [Point; 4] = [Point::Port, Point::Bridge, Point::Overlay, Point::Underlay0];

fn only_flow(state: &State) -> &Flow {
    assert_eq!(state.biflows.len(), 1);
    state.biflows.values().next().expect("a flow")
}

fn round_trips(state: &State) -> usize {
    let kind = EventKind::RoundTrip as u8;
    state
        .events
        .iter()
        .filter(|event| event.kind == kind)
        .count()
}

#[test]
fn handshake_and_data_are_timed_both_ways_at_every_point() {
    with_pair(
        "handshake_and_data_are_timed_both_ways_at_every_point",
        |pair| {
            let talk = [
                Segment { flags: 0, ..OURS }.syn().stamped(100, 0),
                THEIRS.syn().stamped(900, 100),
                OURS.at(1_001).stamped(101, 900),
                OURS.at(1_001).data(100).stamped(102, 900),
                THEIRS.at(5_001).stamped(902, 102),
                THEIRS.at(5_001).data(50).stamped(903, 102),
                OURS.at(1_101).stamped(104, 903),
            ];
            for segment in talk {
                pair.travel(segment);
                // Between two packets too: what is armed must agree.
            }
            let state = pair.agree("handshake and data");
            for point in POINTS {
                assert_eq!(state.samples[&row(0, point, LOW_TO_HIGH)], 2, "{point:?}");
                assert_eq!(state.samples[&row(0, point, HIGH_TO_LOW)], 2, "{point:?}");
                assert_eq!(
                    state.traffic[&row(0, point, LOW_TO_HIGH)][0],
                    4,
                    "{point:?}"
                );
                assert_eq!(
                    state.traffic[&row(0, point, HIGH_TO_LOW)][0],
                    3,
                    "{point:?}"
                );
            }
            assert_eq!((state.counter("samples"), round_trips(&state)), (16, 16));
            assert!(
                only_flow(&state)
                    .armed
                    .iter()
                    .flatten()
                    .all(|&(_, is_waiting)| !is_waiting)
            );
        },
    );
}

#[test]
fn pure_acks_never_arm() {
    with_pair("pure_acks_never_arm", |pair| {
        pair.travel(OURS.data(10).stamped(100, 0));
        pair.travel(THEIRS.stamped(900, 100));
        pair.travel(OURS.at(1_010).stamped(101, 900));
        pair.travel(THEIRS.stamped(901, 101));
        let state = pair.agree("pure acknowledgements");
        assert_eq!(state.counter("samples"), 4);
        assert!(
            only_flow(&state)
                .armed
                .iter()
                .flatten()
                .all(|&(probe, _)| probe == 100 || probe == 0)
        );
    });
}

#[test]
fn keepalives_never_arm() {
    with_pair("keepalives_never_arm", |pair| {
        pair.travel(OURS.data(10).stamped(100, 0));
        pair.travel(THEIRS.stamped(900, 100));
        // One byte of old sequence space, as Linux and others probe.
        pair.travel(OURS.at(1_009).data(1).stamped(200, 900));
        pair.travel(THEIRS.stamped(901, 200));
        assert_eq!(pair.agree("a keepalive").counter("samples"), 4);
    });
}

#[test]
fn a_retransmission_counts_once_at_the_pod_point() {
    with_pair("a_retransmission_counts_once_at_the_pod_point", |pair| {
        pair.travel(OURS.data(100).stamped(100, 0));
        pair.travel(OURS.data(100).stamped(300, 0));
        pair.travel(THEIRS.stamped(900, 300));
        let state = pair.agree("a retransmission");
        assert_eq!(only_flow(&state).tcp[0], [0, 1, 152 << 16, 0]);
        assert_eq!(only_flow(&state).tcp[1], [0; 4]);
        assert_eq!(
            state.counter("samples"),
            0,
            "the newer answer disarms without a sample"
        );
    });
}

#[test]
fn without_ports_retransmissions_count_at_the_bridge() {
    with_pair(
        "without_ports_retransmissions_count_at_the_bridge",
        |pair| {
            pair.control(|control| control.ports_attached = 0);
            for probe in [100, 300, 500] {
                for site in &OUT[1..] {
                    pair.pass(*site, &OURS.data(100).stamped(probe, 0).frame());
                }
            }
            let state = pair.agree("retransmissions at the bridge");
            assert_eq!(only_flow(&state).tcp[0][1], 2);
        },
    );
}

#[test]
fn two_flows_keep_their_timing_apart() {
    with_pair("two_flows_keep_their_timing_apart", |pair| {
        let other = |segment: Segment| Segment {
            port: 40_001,
            ..segment
        };
        pair.travel(OURS.data(10).stamped(100, 0));
        pair.travel(other(OURS.data(20)).stamped(100, 0));
        pair.travel(other(THEIRS).stamped(900, 100));
        let state = pair.agree("two flows");
        assert_eq!(state.biflows.len(), 2);
        let waiting = |flow: &Flow| {
            flow.armed
                .iter()
                .flatten()
                .filter(|(_, waits)| *waits)
                .count()
        };
        let mut waiting: Vec<_> = state.biflows.values().map(waiting).collect();
        waiting.sort_unstable();
        assert_eq!((waiting, state.counter("samples")), (vec![0, 4], 4));
    });
}

#[test]
fn an_echo_is_timed_from_request_to_reply() {
    with_pair("an_echo_is_timed_from_request_to_reply", |pair| {
        let ping = |ours: bool, sequence| {
            let (source, destination) = if ours { (POD_A, POD_B) } else { (POD_B, POD_A) };
            let message = echo(if ours { 8 } else { 0 }, 77, sequence, &[0x70; 56]);
            ethernet(IPV4, &Ipv4::new(source, destination, ICMP).around(&message))
        };
        let [port, bridge] = [Point::Port, Point::Bridge];
        for sequence in 1..=3 {
            pair.pass(site(port, Hook::Ingress), &ping(true, sequence));
            pair.pass(site(bridge, Hook::Ingress), &ping(true, sequence));
            pair.pass(site(bridge, Hook::Egress), &ping(false, sequence));
            pair.pass(site(port, Hook::Egress), &ping(false, sequence));
        }
        let state = pair.agree("three echoes");
        assert_eq!(state.samples[&row(0, port, LOW_TO_HIGH)], 3);
        assert_eq!(state.samples[&row(0, bridge, LOW_TO_HIGH)], 3);
        assert_eq!(round_trips(&state), 6);
    });
}

#[test]
fn same_node_traffic_counts_once_and_is_timed_both_ways() {
    with_pair(
        "same_node_traffic_counts_once_and_is_timed_both_ways",
        |pair| {
            let talk = [
                OURS.data(100).stamped(100, 0),
                THEIRS.stamped(900, 100),
                THEIRS.data(100).stamped(901, 100),
                OURS.at(1_100).stamped(102, 901),
            ];
            for segment in talk {
                pair.pass(site(Point::Port, Hook::Ingress), &segment.frame());
                pair.pass(site(Point::Port, Hook::Egress), &segment.frame());
            }
            let state = pair.agree("two pods of one node");
            for direction in [LOW_TO_HIGH, HIGH_TO_LOW] {
                assert_eq!(
                    state.traffic[&row(0, Point::Port, direction)],
                    [2, 204, 2, 0]
                );
                assert_eq!(state.samples[&row(0, Point::Port, direction)], 1);
            }
            let retransmitted = only_flow(&state).tcp.map(|tcp| tcp[1]);
            assert_eq!((state.counter("frames"), retransmitted), (8, [0, 0]));
        },
    );
}

/// A probe of the wanted kind at rate 1: half of them are selected.
fn probe(from: u32, selected: bool) -> u32 {
    (from..=u32::MAX)
        .find(|&probe| is_selected(probe, 1) == selected)
        .expect("half are selected")
}

#[test]
fn a_selected_probe_replaces_an_unselected_one_and_stays() {
    with_pair(
        "a_selected_probe_replaces_an_unselected_one_and_stays",
        |pair| {
            pair.control(|control| control.rate = 1);
            let plain = probe(1_000, false);
            let chosen = probe(plain, true);
            let later = probe(chosen, false);
            pair.travel(OURS.data(10).stamped(plain, 0));
            pair.travel(OURS.at(1_010).data(10).stamped(chosen, 0));
            pair.travel(OURS.at(1_020).data(10).stamped(later, 0));
            let state = pair.agree("three probes");
            for point in POINTS {
                assert_eq!(
                    only_flow(&state).armed[point.index()][0],
                    (chosen, true),
                    "{point:?}"
                );
            }
            pair.travel(THEIRS.stamped(900, chosen));
            let state = pair.agree("the answer");
            assert_eq!((state.counter("samples"), round_trips(&state)), (4, 4));
        },
    );
}

#[test]
fn an_unselected_round_trip_is_counted_but_makes_no_event() {
    with_pair(
        "an_unselected_round_trip_is_counted_but_makes_no_event",
        |pair| {
            pair.control(|control| control.rate = 1);
            let plain = probe(1_000, false);
            pair.travel(OURS.data(10).stamped(plain, 0));
            pair.travel(THEIRS.stamped(900, plain));
            let state = pair.agree("an unselected round trip");
            assert_eq!((state.counter("samples"), round_trips(&state)), (4, 0));
        },
    );
}

#[test]
fn an_answer_without_timestamps_disarms_without_a_sample() {
    with_pair(
        "an_answer_without_timestamps_disarms_without_a_sample",
        |pair| {
            let waiting = |state: &State| {
                let armed = only_flow(state).armed.iter().flatten();
                armed.filter(|(_, is_waiting)| *is_waiting).count()
            };
            let ours = Segment { flags: 0, ..OURS }.syn().stamped(100, 0);
            pair.travel(ours);
            assert_eq!(waiting(&pair.agree("a SYN")), 4);
            let again = Tcp {
                source: 8_080,
                destination: OURS.port,
                sequence: 0,
                ack: 0,
                flags: TCP_SYN,
                options: &[],
                words: None,
            };
            let refusal = Tcp {
                flags: TCP_RST | TCP_ACK,
                ..again
            };
            for (tcp, still) in [(again, 4), (refusal, 0)] {
                let frame = ethernet(IPV4, &Ipv4::new(POD_B, POD_A, TCP).around(&tcp.around(&[])));
                for site in BACK {
                    pair.pass(site, &frame);
                }
                let state = pair.agree("a segment without timestamps");
                assert_eq!((waiting(&state), state.counter("samples")), (still, 0));
            }
        },
    );
}

/// The kernel's clock cannot be moved, so this runs on the host alone.
#[test]
fn a_probe_without_answer_is_stale_after_4_s_on_the_host() {
    with_pair(
        "a_probe_without_answer_is_stale_after_4_s_on_the_host",
        |pair| {
            let port = OUT[0];
            let see = |pair: &mut crate::pair::Pair<'_>, segment: Segment| {
                pair.see_on_host(port, &segment.frame(), 0, 0);
            };
            see(pair, OURS.data(10).stamped(100, 0));
            pair.wait_on_host(3_900_000_000);
            see(pair, OURS.at(1_010).data(10).stamped(4_000, 0));
            assert_eq!(
                only_flow(&State::of_host(&pair.host)).armed[0][0],
                (100, true)
            );
            pair.wait_on_host(200_000_000);
            see(pair, OURS.at(1_020).data(10).stamped(163, 0));
            assert_eq!(
                only_flow(&State::of_host(&pair.host)).armed[0][0],
                (100, true),
                "by its TSval the armed one is young"
            );
            see(pair, OURS.at(1_030).data(10).stamped(164, 0));
            let state = State::of_host(&pair.host);
            assert_eq!(only_flow(&state).armed[0][0], (164, true));
            assert_eq!(state.counter("probes_stale"), 1);
        },
    );
}

/// Captures have coarse clocks: both packets may bear one time. Host alone, as above.
#[test]
fn an_answer_in_the_same_tick_is_a_sample_on_the_host() {
    with_pair(
        "an_answer_in_the_same_tick_is_a_sample_on_the_host",
        |pair| {
            let bridge = |hook| site(Point::Bridge, hook);
            pair.stop_host_clock();
            pair.see_on_host(
                bridge(Hook::Ingress),
                &OURS.data(10).stamped(100, 0).frame(),
                0,
                0,
            );
            pair.see_on_host(
                bridge(Hook::Egress),
                &THEIRS.stamped(900, 100).frame(),
                0,
                0,
            );
            let state = State::of_host(&pair.host);
            assert_eq!(
                (state.counter("samples"), state.counter("probes_stale")),
                (1, 0)
            );
        },
    );
}
