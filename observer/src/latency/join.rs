//! Joins the records of one reply at several points of this node. A record waits a short while for
//! its siblings; an identity that comes twice at one point is ambiguous and tells nothing. A reply
//! that was translated on its way bears several keys; between two pods of one node it then passes
//! a point twice, under one key in and under another out.

use std::collections::{HashMap, VecDeque};

use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point};

use super::identity::fold;
use super::records::round_trip;
use super::{Identity, RoundTrip};

/// How long a record waits for its siblings: a reply crosses a node in far less. Nanoseconds.
const SETTLE: u64 = 300_000_000;
/// How long an identity is remembered, to know it again. Nanoseconds.
const REMEMBER: u64 = 10_000_000_000;
/// Identities held at once; one more is counted as unmatched.
const CAPACITY: usize = 8_192;

/// What the joiner could not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinerCounts {
    /// Records whose numbers are no known kind, point or hook.
    pub rejected: u64,
    /// Round trips whose identity came twice at one point within 10 s.
    pub ambiguous: u64,
    /// Records that found no room, or came after their round trip was handed out.
    pub unmatched: u64,
}

/// Collects records and hands out round trips.
#[derive(Debug, Default)]
pub struct Joiner {
    held: HashMap<Identity, Held>,
    order: VecDeque<(u64, Identity)>,
    pending: VecDeque<(u64, Identity)>,
    translated: Vec<Vec<Event>>,
    counts: JoinerCounts,
}

#[derive(Debug)]
enum Held {
    Waiting(Vec<Event>),
    Ambiguous,
    /// Handed out; one bit per point that had seen it.
    Done(u8),
}

impl Joiner {
    /// Takes one record at monotonic time `now`.
    pub fn push(&mut self, event: &Event, now: u64) {
        let Some(identity) = identity(event) else {
            self.counts.rejected += 1;
            return;
        };
        let is_full = self.held.len() >= CAPACITY;
        match self.held.get_mut(&identity) {
            None if is_full => self.counts.unmatched += 1,
            None => {
                self.held.insert(identity, Held::Waiting(vec![*event]));
                self.order.push_back((now, identity));
                self.pending.push_back((now, identity));
            }
            Some(Held::Waiting(events)) if events.iter().any(|other| is_twice(other, event)) => {
                self.held.insert(identity, Held::Ambiguous);
                self.counts.ambiguous += 1;
            }
            Some(Held::Waiting(events)) => events.push(*event),
            Some(Held::Ambiguous) => {}
            Some(Held::Done(points)) if *points & (1 << (event.point & 7)) != 0 => {
                self.held.insert(identity, Held::Ambiguous);
                self.counts.ambiguous += 1;
            }
            Some(Held::Done(_)) => self.counts.unmatched += 1,
        }
    }

    /// Hands out the round trips whose records had time to gather.
    pub fn settled(&mut self, now: u64) -> Vec<RoundTrip> {
        let mut round_trips = Vec::new();
        while let Some(&(since, identity)) = self.pending.front() {
            if now.saturating_sub(since) < SETTLE {
                break;
            }
            self.pending.pop_front();
            if let Some(held) = self.held.get_mut(&identity)
                && let Held::Waiting(events) = held
            {
                if events.windows(2).any(|pair| !is_one_key(pair)) {
                    self.translated.push(events.clone());
                }
                let done = Held::Done(
                    events
                        .iter()
                        .fold(0, |points, event| points | 1 << (event.point & 7)),
                );
                round_trips.extend(round_trip(identity, std::mem::take(events)));
                *held = done;
            }
        }
        while let Some(&(since, identity)) = self.order.front() {
            if now.saturating_sub(since) < REMEMBER {
                break;
            }
            self.order.pop_front();
            self.held.remove(&identity);
        }
        round_trips
    }

    /// The records of replies that bore more than one key, one list per reply that was handed out
    /// since the last call.
    pub fn translated(&mut self) -> Vec<Vec<Event>> {
        std::mem::take(&mut self.translated)
    }

    /// What could not be used so far.
    #[must_use]
    pub const fn counts(&self) -> JoinerCounts {
        self.counts
    }
}

pub(crate) fn identity(event: &Event) -> Option<Identity> {
    Point::from_index(event.point)?;
    Hook::from_index(event.hook)?;
    FlowDirection::from_index(event.direction)?;
    let protocol = event.key.protocol;
    // An echo's answer and probe are one token, and a small one: the ends tell echoes apart. So are a
    // DNS answer's.
    let probe = if protocol == 6 {
        event.probe
    } else {
        ends_hash(&event.key)
    };
    Some(Identity {
        answer: event.answer,
        probe,
        ack: event.ack,
        protocol,
    })
}

/// 32 bits of the two addresses, the same for both directions.
fn ends_hash(key: &FlowKey) -> u32 {
    fold(key.low.octets().into_iter().chain(key.high.octets()))
}

/// Both records are of one point, and not of the two passages of a translated reply.
fn is_twice(one: &Event, other: &Event) -> bool {
    one.point == other.point && (one.key == other.key || one.hook == other.hook)
}

fn is_one_key(pair: &[Event]) -> bool {
    matches!(pair, [one, other] if one.key == other.key)
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::FIRST_PATH;
    use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKind};
    use observer_ebpf::units::{Monotonic, Ticks};

    use super::super::Side;
    use super::*;

    const MS: u64 = 1_000_000;

    const POD: ([u8; 4], u16) = ([10, 42, 2, 3], 80);
    const SERVICE: ([u8; 4], u16) = ([10, 43, 0, 9], 8_080);

    /// A reply to data that 10.42.1.2:1000 sent to 10.42.2.3:80.
    fn reply(point: Point, hook: Hook, rtt_us: u32, time: u64) -> Event {
        reply_of(POD, point, hook, rtt_us, time)
    }

    fn reply_of(from: ([u8; 4], u16), point: Point, hook: Hook, rtt_us: u32, time: u64) -> Event {
        let end = |octets, port| Endpoint {
            address: Address::v4(octets),
            port,
        };
        let kind = (FlowKind::Flow, Family::V4);
        let (key, direction) =
            FlowKey::canonical(end(from.0, from.1), end([10, 42, 1, 2], 1000), 6, kind);
        Event {
            time: Monotonic(time),
            key,
            direction: direction as u8,
            answer: 77,
            probe: 5,
            ack: 9,
            rtt: Ticks(rtt_us),
            point: point as u8,
            hook: hook as u8,
            ..Event::default()
        }
    }

    #[test]
    fn records_of_one_reply_become_one_round_trip_in_the_order_of_the_data() {
        let mut joiner = Joiner::default();
        joiner.push(
            &reply(Point::Underlay0, Hook::Ingress, 80, 10 * MS),
            10 * MS,
        );
        joiner.push(
            &reply(Point::Overlay, Hook::Ingress, 90, 10 * MS + 5),
            10 * MS,
        );
        joiner.push(&reply(Point::Port, Hook::Egress, 120, 10 * MS + 9), 11 * MS);
        assert_eq!(joiner.settled(200 * MS), []);
        let settled = joiner.settled(400 * MS);
        let [trip] = settled.as_slice() else {
            panic!("one round trip, not {settled:?}")
        };
        let points: Vec<_> = trip
            .sightings
            .iter()
            .map(|sighting| sighting.point)
            .collect();
        assert_eq!(points, [Point::Port, Point::Overlay, Point::Underlay0]);
        assert_eq!(trip.side, Side::Source);
        assert_eq!(trip.source, ("10.42.1.2".parse().expect("address"), 1000));
        assert_eq!(
            trip.destination,
            ("10.42.2.3".parse().expect("address"), 80)
        );
    }

    #[test]
    fn an_answer_of_dns_says_from_which_port_it_was_asked() {
        let end = |octets, port| Endpoint {
            address: Address::v4(octets),
            port,
        };
        let kind = (FlowKind::Flow, Family::V4);
        let (server, client) = (end(POD.0, 53), end([10, 42, 1, 2], 0));
        let (key, direction) = FlowKey::canonical(server, client, 17, kind);
        let token = 40_000 << 16 | 0xabcd;
        let mut joiner = Joiner::default();
        joiner.push(
            &Event {
                key,
                direction: direction as u8,
                answer: token,
                probe: token,
                ack: 0,
                ..reply(Point::Port, Hook::Egress, 20, MS)
            },
            MS,
        );
        let settled = joiner.settled(1_000 * MS);
        let ends = settled
            .first()
            .map(|trip| (trip.source.1, trip.destination.1));
        assert_eq!(ends, Some((40_000, 53)));
    }

    #[test]
    fn a_reply_that_enters_at_the_port_makes_this_node_the_destination() {
        let mut joiner = Joiner::default();
        joiner.push(&reply(Point::Port, Hook::Ingress, 20, MS), MS);
        let settled = joiner.settled(1_000 * MS);
        assert_eq!(
            settled.first().map(|trip| trip.side),
            Some(Side::Destination)
        );
    }

    #[test]
    fn a_translated_reply_is_one_round_trip_between_the_real_ends() {
        let mut joiner = Joiner::default();
        for event in [
            reply(Point::Overlay, Hook::Ingress, 90, 10 * MS),
            Event {
                path: FIRST_PATH,
                ..reply_of(SERVICE, Point::Port, Hook::Egress, 120, 10 * MS + 9)
            },
        ] {
            joiner.push(&event, 10 * MS);
        }
        let settled = joiner.settled(400 * MS);
        let [trip] = settled.as_slice() else {
            panic!("one round trip, not {settled:?}")
        };
        assert_eq!(trip.destination, (POD.0.into(), POD.1));
        assert_eq!((trip.side, trip.path), (Side::Source, FIRST_PATH));
        let translated = joiner.translated();
        assert_eq!(translated.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
        assert_eq!(joiner.translated().len(), 0);
    }

    #[test]
    fn a_translated_reply_between_pods_of_one_node_is_timed_at_its_data_s_port() {
        let mut joiner = Joiner::default();
        joiner.push(&reply(Point::Port, Hook::Ingress, 20, 10 * MS), 10 * MS);
        let out = reply_of(SERVICE, Point::Port, Hook::Egress, 50, 10 * MS + 9);
        joiner.push(&out, 10 * MS);
        let settled = joiner.settled(400 * MS);
        let [trip] = settled.as_slice() else {
            panic!("one round trip, not {settled:?}")
        };
        let rtts: Vec<_> = trip.sightings.iter().map(|seen| seen.rtt).collect();
        assert_eq!(rtts, [Ticks(50).nanos()]);
        assert_eq!(trip.side, Side::Source);
        assert_eq!(joiner.counts(), JoinerCounts::default());
    }

    #[test]
    fn an_identity_twice_at_one_point_is_dropped_and_counted() {
        let mut joiner = Joiner::default();
        joiner.push(&reply(Point::Port, Hook::Egress, 20, MS), MS);
        joiner.push(&reply(Point::Port, Hook::Egress, 30, 2 * MS), 2 * MS);
        assert_eq!(joiner.settled(1_000 * MS), []);
        assert_eq!(joiner.counts().ambiguous, 1);
    }

    #[test]
    fn an_identity_that_comes_again_within_10_s_is_ambiguous_though_it_was_handed_out() {
        let mut joiner = Joiner::default();
        let again = reply(Point::Port, Hook::Egress, 20, MS);
        joiner.push(&again, MS);
        assert_eq!(joiner.settled(1_000 * MS).len(), 1);
        joiner.push(&again, 9_000 * MS);
        assert_eq!(joiner.settled(9_900 * MS), []);
        let counts = joiner.counts();
        assert_eq!((counts.ambiguous, counts.unmatched), (1, 0));
    }

    #[test]
    fn a_late_record_is_unmatched_and_an_old_identity_may_come_again() {
        let mut joiner = Joiner::default();
        joiner.push(&reply(Point::Port, Hook::Egress, 20, MS), MS);
        assert_eq!(joiner.settled(1_000 * MS).len(), 1);
        joiner.push(&reply(Point::Overlay, Hook::Ingress, 20, MS), 1_000 * MS);
        assert_eq!(joiner.counts().unmatched, 1);
        assert_eq!(joiner.settled(20_000 * MS), []);
        joiner.push(&reply(Point::Port, Hook::Egress, 20, MS), 20_000 * MS);
        assert_eq!(joiner.settled(21_000 * MS).len(), 1);
    }

    #[test]
    fn a_full_joiner_counts_what_it_refuses() {
        let mut joiner = Joiner::default();
        for answer in 0..8_200 {
            joiner.push(
                &Event {
                    answer,
                    ..reply(Point::Port, Hook::Egress, 1, 0)
                },
                0,
            );
        }
        assert_eq!(joiner.counts().unmatched, 8);
    }
}
