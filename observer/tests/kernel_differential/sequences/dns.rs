//! DNS: a query arms, the answer to it alone closes.

use observer_ebpf::abi::event::EventKind;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{self, IPV4, TCP, UDP, ethernet};
use observer_ebpf::fixtures::{POD_A, POD_B};

use crate::pair::{Pair, with_pair};
use crate::state::State;
use crate::talk::{BACK, LOW_TO_HIGH, OURS, OUT, row, site};

const POINTS: [Point; 4] = [Point::Port, Point::Bridge, Point::Overlay, Point::Underlay0];

/// A message of the pod's client on this port with this id.
#[derive(Clone, Copy)]
struct Message {
    port: u16,
    id: u16,
    is_answer: bool,
}

const fn query(port: u16, id: u16) -> Message {
    Message {
        port,
        id,
        is_answer: false,
    }
}

const fn answer(port: u16, id: u16) -> Message {
    Message {
        is_answer: true,
        ..query(port, id)
    }
}

impl Message {
    fn bytes(self) -> Vec<u8> {
        let flags: [u8; 2] = if self.is_answer {
            [0x81, 0x80]
        } else {
            [0x01, 0x00]
        };
        [&self.id.to_be_bytes(), &flags[..], &[0x6e; 20]].concat()
    }

    /// From the client on this node to the server, or back.
    fn frame(self, is_ours: bool) -> Vec<u8> {
        let (ends, ports) = if is_ours {
            ((POD_A, POD_B), (self.port, 53))
        } else {
            ((POD_B, POD_A), (53, self.port))
        };
        let datagram = layers::udp(ports.0, ports.1, &self.bytes());
        ethernet(
            IPV4,
            &layers::Ipv4::new(ends.0, ends.1, UDP).around(&datagram),
        )
    }

    /// On its whole way through this node.
    fn travel(self, pair: &mut Pair<'_>) {
        for site in if self.is_answer { BACK } else { OUT } {
            pair.pass(site, &self.frame(!self.is_answer));
        }
    }
}

/// Samples of queries at each point, all points alike.
fn samples(state: &State) -> u32 {
    let each = POINTS.map(|point| {
        let index = row(0, point, LOW_TO_HIGH);
        state.samples.get(&index).copied().unwrap_or(0)
    });
    assert_eq!(each, [each[0]; 4], "all points time the same queries");
    each[0]
}

/// The probe that each point holds, and whether it waits.
fn armed(state: &State) -> [(u32, bool); 4] {
    assert_eq!(state.biflows.len(), 1, "one flow for all queries");
    let flow = state.biflows.values().next().expect("a flow");
    POINTS.map(|point| flow.armed[point.index()][0])
}

fn token(message: Message) -> u32 {
    u32::from(message.port) << 16 | u32::from(message.id)
}

#[test]
fn a_query_is_timed_to_its_answer_at_every_point() {
    with_pair("a_query_is_timed_to_its_answer_at_every_point", |pair| {
        for id in [7, 0, u16::MAX] {
            query(40_000, id).travel(pair);
            answer(40_000, id).travel(pair);
        }
        let state = pair.agree("three queries");
        assert_eq!((samples(&state), state.counter("samples")), (3, 12));
        let kind = EventKind::RoundTrip as u8;
        let events = state.events.iter().filter(|event| event.kind == kind);
        let answers: Vec<u32> = events.map(|event| event.answer).collect();
        assert_eq!(answers.len(), 12);
        assert!(answers.contains(&token(query(40_000, u16::MAX))));
    });
}

#[test]
fn an_answer_with_another_id_or_to_another_port_closes_nothing() {
    with_pair(
        "an_answer_with_another_id_or_to_another_port_closes_nothing",
        |pair| {
            let asked = query(40_000, 500);
            asked.travel(pair);
            for other in [
                answer(40_000, 499),
                answer(40_000, 501),
                answer(40_001, 500),
            ] {
                other.travel(pair);
            }
            let state = pair.agree("answers to others");
            assert_eq!(samples(&state), 0);
            assert_eq!(armed(&state), [(token(asked), true); 4]);
            answer(40_000, 500).travel(pair);
            answer(40_000, 500).travel(pair);
            assert_eq!(samples(&pair.agree("its own answer, twice")), 1);
        },
    );
}

/// As glibc asks for both families: two ids from one port, answered in any order.
#[test]
fn of_two_queries_at_once_the_first_is_timed_whatever_is_answered_first() {
    with_pair(
        "of_two_queries_at_once_the_first_is_timed_whatever_is_answered_first",
        |pair| {
            let [four, six] = [40_000, 41_000];
            query(50_000, four).travel(pair);
            query(50_000, six).travel(pair);
            answer(50_000, six).travel(pair);
            let state = pair.agree("the second one's answer");
            assert_eq!(samples(&state), 0);
            assert_eq!(armed(&state), [(token(query(50_000, four)), true); 4]);
            answer(50_000, four).travel(pair);
            assert_eq!(samples(&pair.agree("the first one's answer")), 1);
        },
    );
}

#[test]
fn an_id_from_two_ports_is_two_queries() {
    with_pair("an_id_from_two_ports_is_two_queries", |pair| {
        query(40_000, 7).travel(pair);
        query(40_001, 7).travel(pair);
        answer(40_001, 7).travel(pair);
        assert_eq!(samples(&pair.agree("the second client's")), 0);
        answer(40_000, 7).travel(pair);
        let state = pair.agree("the first client's");
        assert_eq!((samples(&state), state.biflows.len()), (1, 1));
        query(40_001, 7).travel(pair);
        answer(40_001, 7).travel(pair);
        assert_eq!(samples(&pair.agree("the same id again")), 2);
    });
}

#[test]
fn answers_to_servers_and_queries_from_them_time_nothing() {
    with_pair(
        "answers_to_servers_and_queries_from_them_time_nothing",
        |pair| {
            for site in OUT {
                pair.pass(site, &answer(40_000, 7).frame(true));
            }
            let state = pair.agree("an answer of a client's");
            assert_eq!(armed(&state), [(0, false); 4]);
            query(40_000, 7).travel(pair);
            for site in BACK {
                pair.pass(site, &query(40_000, 7).frame(false));
            }
            let state = pair.agree("a query of a server's");
            assert_eq!((samples(&state), state.counter("samples")), (0, 0));
            assert_eq!(armed(&state), [(token(query(40_000, 7)), true); 4]);
        },
    );
}

#[test]
fn tcp_to_port_53_is_timed_by_its_timestamps() {
    with_pair("tcp_to_port_53_is_timed_by_its_timestamps", |pair| {
        let segment = |is_ours, stamps: (u32, u32)| {
            let options = layers::stamped(stamps.0, stamps.1);
            let (ends, ports) = if is_ours {
                ((POD_A, POD_B), (40_000, 53))
            } else {
                ((POD_B, POD_A), (53, 40_000))
            };
            let tcp = layers::Tcp {
                source: ports.0,
                destination: ports.1,
                flags: OURS.flags,
                options: &options,
                ..layers::Tcp::default()
            };
            let load = tcp.around(&answer(40_000, 7).bytes());
            ethernet(IPV4, &layers::Ipv4::new(ends.0, ends.1, TCP).around(&load))
        };
        let bridge = |hook| site(Point::Bridge, hook);
        pair.pass(bridge(Hook::Ingress), &segment(true, (100, 0)));
        pair.pass(bridge(Hook::Egress), &segment(false, (900, 100)));
        let state = pair.agree("DNS over TCP");
        assert_eq!(state.samples[&row(0, Point::Bridge, LOW_TO_HIGH)], 1);
        let flow = state.biflows.keys().next().expect("a flow");
        assert_eq!(flow[32..34], 40_000_u16.to_be_bytes());
    });
}

/// The kernel's clock cannot be moved, so this runs on the host alone.
#[test]
fn a_query_asked_again_is_timed_from_the_first_time_on_the_host() {
    with_pair(
        "a_query_asked_again_is_timed_from_the_first_time_on_the_host",
        |pair| {
            let bridge = |hook| site(Point::Bridge, hook);
            let ask = query(40_000, 7).frame(true);
            pair.see_on_host(bridge(Hook::Ingress), &ask, 0, 0);
            pair.wait_on_host(2_000_000_000);
            pair.see_on_host(bridge(Hook::Ingress), &ask, 0, 0);
            pair.wait_on_host(1_000_000);
            let told = answer(40_000, 7).frame(false);
            pair.see_on_host(bridge(Hook::Egress), &told, 0, 0);
            let kind = EventKind::RoundTrip as u8;
            let rtts: Vec<u64> = pair
                .host
                .take_events()
                .iter()
                .filter(|event| event.kind == kind)
                .map(|event| event.rtt.nanos())
                .collect();
            assert_eq!(rtts.len(), 1);
            assert!(
                (2_000_000_000..2_100_000_000).contains(&rtts[0]),
                "{rtts:?}"
            );
            // Half a minute later an answer that was lost has been given up.
            pair.see_on_host(bridge(Hook::Ingress), &query(40_000, 8).frame(true), 0, 0);
            pair.wait_on_host(30_000_000_000);
            pair.see_on_host(bridge(Hook::Egress), &answer(40_000, 8).frame(false), 0, 0);
            let state = State::of_host(&pair.host);
            assert_eq!(
                (state.counter("samples"), state.counter("probes_stale")),
                (1, 1)
            );
        },
    );
}
