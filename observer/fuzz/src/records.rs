//! Target `records`: bytes as records of the event ring, 80 bytes each, for what the agent makes of
//! them: round trips and the keys of translated flows. Nothing is lost uncounted.

use observer::latency::{Joiner, RoundTrip};
use observer::translation::{self, Space};
use observer_ebpf::abi::event::{Event, EventKind};
use observer_ebpf::abi::key::{Address, FlowKey};
use observer_ebpf::fixtures::{POD_A, POD_B};
use observer_ebpf::parse::{TCP_ACK, TCP_SYN};
use zerocopy::{FromBytes, IntoBytes};

use crate::outcomes::{Outcome, Saw};

const RECORDS: [&str; 6] = [
    "announced",
    "round_trip",
    "refused",
    "dropped",
    "unknown_kind",
    "short",
];
const JOINED: [&str; 4] = ["round_trip", "rejected", "ambiguous", "unmatched"];
/// Time between two records, nanoseconds: some wait long enough, some not.
const PAUSE: u64 = 40_000_000;

/// All that a corpus of records must reach.
pub(crate) fn wanted() -> Vec<Outcome> {
    let records = RECORDS.iter().map(|name| ("record", *name));
    let joined = JOINED.iter().map(|name| ("joined", *name));
    records.chain(joined).collect()
}

/// Takes records; panics where something is wrong.
pub(crate) fn run(input: &[u8], saw: Saw<'_>) {
    let (mut joiner, mut translations) = (Joiner::default(), translation::Joiner::default());
    let space = Space::default();
    let (mut now, mut pushed, mut told) = (1_000_000_000, 0_u64, 0_u64);
    for record in input.chunks(size_of::<Event>()) {
        now += PAUSE;
        let Ok(event) = Event::read_from_bytes(record) else {
            saw("record", RECORDS[5]);
            continue;
        };
        match EventKind::from_number(event.kind) {
            Some(EventKind::Announced) => {
                translations.push(&event, &space, now);
                drop(translations.outcomes());
                saw("record", RECORDS[0]);
            }
            Some(EventKind::RoundTrip) => {
                joiner.push(&event, now);
                pushed += 1;
                saw("record", RECORDS[1]);
            }
            Some(EventKind::Refused) => saw("record", RECORDS[2]),
            Some(EventKind::Dropped) => saw("record", RECORDS[3]),
            None => saw("record", RECORDS[4]),
        }
        for round_trip in joiner.settled(now) {
            told += sightings(&round_trip, saw);
        }
        drop(joiner.translated());
    }
    for round_trip in joiner.settled(u64::MAX) {
        told += sightings(&round_trip, saw);
    }
    let counts = joiner.counts();
    assert!(
        told + counts.rejected + counts.unmatched <= pushed,
        "a record is told once"
    );
    let reached = [counts.rejected, counts.ambiguous, counts.unmatched];
    for (number, name) in reached.into_iter().zip(&JOINED[1..]) {
        if number > 0 {
            saw("joined", name);
        }
    }
}

/// The number of points that a round trip was seen at.
fn sightings(round_trip: &RoundTrip, saw: Saw<'_>) -> u64 {
    saw("joined", JOINED[0]);
    let sightings = &round_trip.sightings;
    for (place, one) in sightings.iter().enumerate() {
        let is_once = sightings[..place]
            .iter()
            .all(|other| other.point != one.point);
        assert!(is_once, "a point tells a round trip once");
    }
    sightings.len() as u64
}

/// Named inputs.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let key = FlowKey {
        low: Address::v4(POD_A),
        high: Address::v4(POD_B),
        low_port: 40_000_u16.to_be_bytes(),
        high_port: 8_080_u16.to_be_bytes(),
        protocol: 6,
        family: 4,
        ..FlowKey::EMPTY
    };
    let told = |kind: u8, point: u8| Event {
        key,
        kind,
        point,
        answer: 7,
        probe: 9,
        ack: 11,
        ..Event::default()
    };
    let at = |point| told(EventKind::RoundTrip as u8, point);
    let syn = |point, flags| Event {
        tcp_flags: flags,
        sequence: 1_000,
        ..told(EventKind::Announced as u8, point)
    };
    let named = |name: &str, events: &[Event]| (name.to_owned(), events.as_bytes().to_vec());
    let (refused, unknown) = (told(EventKind::Refused as u8, 5), told(9, 0));
    let mut short = at(1).as_bytes().to_vec();
    short.truncate(79);
    vec![
        named("round_trip", &[at(1), at(2), at(5)]),
        named("ambiguous", &[at(1), at(1)]),
        named("rejected", &[at(77)]),
        named(
            "unmatched",
            &[
                at(1),
                refused,
                refused,
                refused,
                refused,
                refused,
                refused,
                refused,
                refused,
                at(2),
            ],
        ),
        named(
            "announced",
            &[syn(1, TCP_SYN), syn(2, TCP_SYN), syn(1, TCP_SYN | TCP_ACK)],
        ),
        named("dropped", &[told(EventKind::Dropped as u8, 5)]),
        named("unknown", &[unknown]),
        ("short".to_owned(), short),
    ]
}
