//! Budgets and full tables: what is refused is counted, and traffic is counted all the same.

use observer_ebpf::abi::control::Budget;
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::point::Point;
use observer_ebpf::abi::{PATH_REFUSED, PATH_UNKNOWN};

use crate::pair::{Pair, with_pair};
use crate::talk::{LOW_TO_HIGH, OURS, OUT, Segment, THEIRS, row};

fn limit(pair: &mut Pair<'_>, budget: Budget, units: u32) {
    pair.control(|control| control.limits[budget as usize] = units);
}

/// One packet of each of so many flows at the port.
fn flows(pair: &mut Pair<'_>, count: u16) {
    for port in 0..count {
        let segment = Segment {
            port: 1_024 + port,
            ..OURS
        };
        pair.pass(OUT[0], &segment.data(10).stamped(100, 0).frame());
    }
}

#[test]
fn a_spent_insert_budget_counts_on_the_refused_path() {
    with_pair("a_spent_insert_budget_counts_on_the_refused_path", |pair| {
        limit(pair, Budget::Inserts, 2);
        flows(pair, 5);
        flows(pair, 5);
        let state = pair.agree("five flows, two inserts");
        let buffers = |path| state.traffic[&row(path, Point::Port, LOW_TO_HIGH)][0];
        assert_eq!((buffers(PATH_UNKNOWN), buffers(PATH_REFUSED)), (4, 6));
        assert_eq!(
            (state.counter("flow_refused_budget"), state.biflows.len()),
            (6, 2)
        );
        assert_eq!(state.counter("flow_inserted"), 2);
    });
}

#[test]
fn a_spent_announce_budget_is_counted_once_per_flow() {
    with_pair("a_spent_announce_budget_is_counted_once_per_flow", |pair| {
        limit(pair, Budget::Announcements, 3);
        flows(pair, 5);
        flows(pair, 5);
        let state = pair.agree("five flows, three announcements");
        assert_eq!(
            (state.events.len(), state.counter("announce_budget")),
            (3, 2)
        );
    });
}

#[test]
fn a_spent_round_trip_budget_still_samples() {
    with_pair("a_spent_round_trip_budget_still_samples", |pair| {
        limit(pair, Budget::RoundTrips, 1);
        pair.travel(OURS.data(10).stamped(100, 0));
        pair.travel(THEIRS.stamped(900, 100));
        let state = pair.agree("four samples, one record");
        let kind = EventKind::RoundTrip as u8;
        assert_eq!(
            state
                .events
                .iter()
                .filter(|event| event.kind == kind)
                .count(),
            1
        );
        assert_eq!(
            (state.counter("samples"), state.counter("round_trip_budget")),
            (4, 3)
        );
    });
}

#[test]
fn a_full_ring_is_counted_and_costs_no_traffic() {
    with_pair("a_full_ring_is_counted_and_costs_no_traffic", |pair| {
        flows(pair, 3_000);
        let state = pair.agree("3,000 announcements that nobody reads");
        assert_eq!(
            (state.events.len(), state.counter("ring_full")),
            (2_978, 22)
        );
        assert_eq!(
            state.traffic[&row(PATH_UNKNOWN, Point::Port, LOW_TO_HIGH)],
            [3_000, 186_000, 3_000, 0]
        );
    });
}

#[test]
fn a_record_of_a_round_trip_that_finds_the_ring_full_is_counted_apart() {
    let test = "a_record_of_a_round_trip_that_finds_the_ring_full_is_counted_apart";
    with_pair(test, |pair| {
        flows(pair, 3_000);
        pair.travel(OURS.data(10).stamped(100, 0));
        pair.travel(THEIRS.stamped(900, 100));
        let state = pair.agree("a round trip through four points behind 3,000 announcements");
        assert_eq!(state.counter("samples"), 4);
        assert_eq!(state.counter("round_trip_ring_full"), 4);
        assert!(state.counter("ring_full") > 22, "its announcements");
    });
}

#[test]
fn refusals_are_told_within_their_budget_and_the_rest_is_counted() {
    let test = "refusals_are_told_within_their_budget_and_the_rest_is_counted";
    with_pair(test, |pair| {
        let mut lie = OURS.frame();
        // The high byte of the total length.
        lie[16] = 0xff;
        pair.pass(OUT[0], &lie);
        let state = pair.agree("nobody listens");
        assert_eq!(
            (state.events.len(), state.counter("message_budget")),
            (0, 0)
        );
        limit(pair, Budget::Inserts, 1);
        limit(pair, Budget::Messages, 3);
        flows(pair, 3);
        for _ in 0..4 {
            pair.pass(OUT[0], &lie);
        }
        let state = pair.agree("two flows and four frames refused, three told");
        let told = |event: &&Event| event.kind == EventKind::Refused as u8;
        assert_eq!(state.events.iter().filter(told).count(), 3);
        assert_eq!(state.counter("message_budget"), 3);
        assert_eq!(state.counter("ipv4_total_length"), 5);
    });
}
