//! What joins, what must not, and what is counted.

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::units::Monotonic;

use super::super::passage::tests::{BACKEND, CLIENT, End, GATEWAY, SERVICE, key, passage, space};
use super::*;

const MS: u64 = 1_000_000;
const OTHER: End = ([10, 42, 3, 9], 8_080);
const PORT: Site = site(Point::Port, Hook::Ingress);
const OVERLAY: Site = site(Point::Overlay, Hook::Egress);

const fn site(point: Point, hook: Hook) -> Site {
    Site { point, hook }
}

/// The announcement of a SYN.
fn syn(site: Site, source: End, destination: End, sequence: u32, time: u64) -> Event {
    let passage = passage(site, source, destination, time);
    Event {
        time: Monotonic(time),
        key: passage.key,
        direction: passage.direction as u8,
        point: site.point as u8,
        hook: site.hook as u8,
        sequence,
        probe: 77,
        tcp_flags: TCP_SYN,
        ..Event::default()
    }
}

fn push(joiner: &mut Joiner, events: &[Event]) -> Vec<Outcome> {
    for event in events {
        joiner.push(event, &space(), event.time.0);
    }
    joiner.outcomes()
}

fn reals(outcomes: &[Outcome]) -> Vec<FlowKey> {
    let joined = outcomes.iter().map(|outcome| match outcome {
        Outcome::Joined(flow) => flow.real,
        Outcome::Revoked(keys) => panic!("revoked {keys:?}"),
    });
    joined.collect()
}

fn check(events: &[Event], wanted: &[FlowKey]) -> JoinerCounts {
    let mut joiner = Joiner::default();
    assert_eq!(reals(&push(&mut joiner, events)), wanted);
    joiner.counts()
}

#[test]
fn a_service_and_its_backend_join_by_their_client() {
    let events = [
        syn(PORT, CLIENT, SERVICE, 9, MS),
        syn(OVERLAY, CLIENT, BACKEND, 9, MS + 5),
    ];
    let counts = check(&events, &[key(CLIENT, BACKEND)]);
    assert_eq!(counts, JoinerCounts::default());
}

#[test]
fn flows_to_two_backends_of_one_service_stay_apart() {
    let second = (CLIENT.0, 40_001);
    let events = [
        syn(PORT, CLIENT, SERVICE, 9, MS),
        syn(PORT, second, SERVICE, 10, MS),
        syn(OVERLAY, second, OTHER, 10, MS + 5),
        syn(OVERLAY, CLIENT, BACKEND, 9, MS + 5),
    ];
    check(&events, &[key(second, OTHER), key(CLIENT, BACKEND)]);
}

#[test]
fn equal_numbers_of_strangers_do_not_join() {
    let stranger = ([10, 42, 9, 9], 50_000);
    let events = [
        Event {
            probe: 78,
            ..syn(PORT, stranger, SERVICE, 9, MS)
        },
        syn(OVERLAY, CLIENT, BACKEND, 9, MS + 5),
    ];
    check(&events, &[]);
}

#[test]
fn with_both_ends_rewritten_the_time_stamp_decides() {
    let events = |probe| {
        let rewritten = syn(OVERLAY, GATEWAY, BACKEND, 9, MS + 5);
        [
            syn(PORT, CLIENT, SERVICE, 9, MS),
            Event { probe, ..rewritten },
        ]
    };
    check(&events(77), &[key(CLIENT, BACKEND)]);
    check(&events(78), &[]);
    let without = events(0).map(|event| Event { probe: 0, ..event });
    check(&without, &[]);
}

#[test]
fn another_number_or_a_data_packet_does_not_join() {
    let first = syn(PORT, CLIENT, SERVICE, 9, MS);
    let second = syn(OVERLAY, CLIENT, BACKEND, 10, MS + 5);
    check(&[first, second], &[]);
    let [first, second] = [first, second].map(|event| Event {
        sequence: 0,
        tcp_flags: TCP_ACK,
        ..event
    });
    check(&[first, second], &[]);
}

#[test]
fn dns_never_joins() {
    let [service, backend] = [SERVICE.0, BACKEND.0].map(|address| (address, 53));
    let events = [
        syn(PORT, CLIENT, service, 9, MS),
        syn(OVERLAY, CLIENT, backend, 9, MS + 5),
    ];
    let counts = check(&events, &[]);
    assert_eq!(counts, JoinerCounts::default());
}

#[test]
fn the_answer_of_a_syn_joins_too_and_only_with_the_same_answer() {
    let at = |point, hook, ends: (End, End), ack| Event {
        tcp_flags: TCP_SYN | TCP_ACK,
        ack,
        ..syn(site(point, hook), ends.0, ends.1, 5, MS)
    };
    let inside = at(Point::Overlay, Hook::Ingress, (BACKEND, CLIENT), 10);
    let outside = |ack| Event {
        time: Monotonic(MS + 5),
        ..at(Point::Port, Hook::Egress, (SERVICE, CLIENT), ack)
    };
    check(&[inside, outside(10)], &[key(CLIENT, BACKEND)]);
    check(&[inside, outside(11)], &[]);
}

#[test]
fn two_keys_at_one_place_revoke_what_was_joined() {
    let mut joiner = Joiner::default();
    let events = [
        syn(PORT, CLIENT, SERVICE, 9, MS),
        syn(OVERLAY, CLIENT, BACKEND, 9, MS + 5),
    ];
    assert_eq!(push(&mut joiner, &events).len(), 1);
    let outcomes = push(&mut joiner, &[syn(OVERLAY, CLIENT, OTHER, 9, MS + 9)]);
    let [Outcome::Revoked(keys)] = outcomes.as_slice() else {
        panic!("revoked, not {outcomes:?}")
    };
    assert!(keys.contains(&key(CLIENT, SERVICE)));
    assert_eq!(joiner.counts().ambiguous, 1);
    let more = syn(site(Point::Underlay0, Hook::Egress), CLIENT, OTHER, 9, MS);
    assert_eq!(push(&mut joiner, &[more]), []);
}

#[test]
fn a_number_is_forgotten_after_ten_seconds_and_a_lonely_service_counted() {
    let mut joiner = Joiner::default();
    push(&mut joiner, &[syn(PORT, CLIENT, SERVICE, 9, MS)]);
    let late = syn(OVERLAY, CLIENT, BACKEND, 9, 10_001 * MS);
    assert_eq!(push(&mut joiner, &[late]), []);
    assert_eq!(joiner.counts().unmatched, 1);
    let other = syn(PORT, CLIENT, OTHER, 1, 30_000 * MS);
    push(&mut joiner, &[other]);
    assert_eq!(joiner.counts().unmatched, 1, "a pod alone is no loss");
    assert_eq!((joiner.passages, joiner.held.len()), (1, 1));
}

#[test]
fn a_flood_of_numbers_finds_no_room_and_is_counted() {
    let mut joiner = Joiner::default();
    let room = u32::try_from(CAPACITY).expect("a small number");
    for sequence in 0..room + 5 {
        joiner.push(&syn(PORT, CLIENT, SERVICE, sequence, MS), &space(), MS);
    }
    assert_eq!((joiner.passages, joiner.counts().unmatched), (CAPACITY, 5));
}
