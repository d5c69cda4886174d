//! What is lost and where it was seen last, from flow entries as the kernel leaves them.

use std::collections::HashSet;

use observer_ebpf::abi::biflow::Trajectory;
use observer_ebpf::abi::key::{Address, Endpoint, Family, FlowKind};

use super::*;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 100 * SECOND;
const EPOCH: u32 = 20;
const OUT: [Point; 4] = [Point::Port, Point::Bridge, Point::Overlay, Point::Underlay0];
/// Data goes from the lower to the higher end here.
const DATA: FlowDirection = FlowDirection::LowToHigh;
const BACK: FlowDirection = FlowDirection::HighToLow;
const PROBE: u32 = 0x1234;

/// A flow of 10.42.1.2 with 10.42.2.3.
struct Flow {
    key: FlowKey,
    record: BiflowRecord,
}

impl Flow {
    fn new(protocol: u8) -> Self {
        let end = |octets, port| Endpoint {
            address: Address::v4(octets),
            port,
        };
        let kind = (FlowKind::Flow, Family::V4);
        let ends = [end([10, 42, 1, 2], 1000), end([10, 42, 2, 3], 80)];
        let (key, direction) = FlowKey::canonical(ends[0], ends[1], protocol, kind);
        assert_eq!(direction, DATA);
        let record = BiflowRecord {
            assignment: Assignment {
                path: 9,
                rate: 0,
                flags: 0,
            }
            .word(),
            ..BiflowRecord::default()
        };
        Self { key, record }
    }

    /// At a share of 1 in 2^`rate`.
    fn rate(mut self, rate: u8) -> Self {
        self.record.assignment = Assignment {
            path: 9,
            rate,
            flags: 0,
        }
        .word();
        self
    }

    /// Packets of this direction have passed the points by this hook.
    fn passed(mut self, points: &[Point], hook: Hook, direction: FlowDirection) -> Self {
        for &point in points {
            self.record.announced |= 1 << announced_bit(Site { point, hook }, direction);
        }
        self
    }

    /// Something came back past the point in the epoch.
    fn answered_in(mut self, epoch: u32, point: Point) -> Self {
        let site = Site {
            point,
            hook: Hook::Egress,
        };
        let bits = 1_u64 << trajectory_bit(site, Carriage::Plain);
        self.record.trajectory[BACK as usize] = Trajectory {
            current: u64::from(epoch) << 32 | bits,
            previous: 0,
        };
        self
    }

    /// Data passed the point `ago`, which still waits for an answer.
    fn waits(mut self, point: Point, ago: u64) -> Self {
        let ticks = Monotonic(NOW - ago).ticks().0;
        self.record.points[point.index()].armed[DATA as usize] =
            u64::from(PROBE) << 32 | u64::from(ticks);
        self
    }

    /// Data passed the point, and its reply too.
    fn answered_at(mut self, point: Point) -> Self {
        self.record.points[point.index()].armed[DATA as usize] = u64::from(PROBE) << 32;
        self
    }

    fn lost(&self) -> Option<Lost> {
        let mut unanswered = Unanswered::default();
        unanswered.begin();
        unanswered.add(&self.key, &self.record, &silence());
        let mut lost = unanswered.take();
        assert!(lost.len() <= 1);
        lost.pop()
    }
}

fn silence() -> Silence<'static> {
    Silence {
        node: "n1",
        now: Monotonic(NOW),
        epoch: EPOCH,
        echo_rate: 0,
    }
}

/// A TCP flow of this node's pod with another node, in which replies have come before.
fn outgoing() -> Flow {
    Flow::new(6)
        .passed(&OUT[..2], Hook::Ingress, DATA)
        .passed(&OUT[2..], Hook::Egress, DATA)
        .passed(&OUT[..2], Hook::Egress, BACK)
        .passed(&OUT[2..], Hook::Ingress, BACK)
}

/// The same as the other node sees it.
fn incoming() -> Flow {
    Flow::new(6)
        .passed(&OUT[..2], Hook::Egress, DATA)
        .passed(&OUT[2..], Hook::Ingress, DATA)
        .passed(&OUT[..2], Hook::Ingress, BACK)
        .passed(&OUT[2..], Hook::Egress, BACK)
}

/// Every point waits since `ago`.
fn all_wait(flow: Flow, ago: u64) -> Flow {
    OUT.into_iter()
        .fold(flow, |flow, point| flow.waits(point, ago))
}

fn points(lost: &Lost) -> Vec<Point> {
    let sightings = lost.trip.sightings.iter();
    sightings.map(|sighting| sighting.point).collect()
}

#[test]
fn data_that_left_and_was_not_answered_was_last_seen_at_the_wire() {
    let lost = all_wait(outgoing(), 4 * SECOND).lost().expect("lost");
    assert_eq!((lost.half, lost.last_seen), (Half::Data, Point::Underlay0));
    assert_eq!((lost.trip.side, lost.trip.path), (Side::Source, 9));
    assert_eq!(points(&lost), OUT);
    let source: (IpAddr, u16) = ("10.42.1.2".parse().expect("address"), 1000);
    assert_eq!(lost.trip.source, source);
    let passed = lost.trip.sightings[0].forward_time();
    assert!(passed.abs_diff(NOW - 4 * SECOND) <= 1_024, "{passed}");
    assert_eq!(lost.trip.sightings[0].reply_time, NOW);
}

#[test]
fn data_that_died_inside_the_node_was_last_seen_where_it_passed() {
    let flow = outgoing()
        .waits(Point::Port, 4 * SECOND)
        .waits(Point::Bridge, 4 * SECOND);
    let lost = flow.lost().expect("lost");
    assert_eq!((lost.half, lost.last_seen), (Half::Data, Point::Bridge));
}

#[test]
fn a_reply_that_died_inside_the_node_was_last_seen_where_it_came_to() {
    let flow = all_wait(outgoing(), 4 * SECOND)
        .answered_at(Point::Underlay0)
        .answered_at(Point::Overlay);
    let lost = flow.lost().expect("lost");
    assert_eq!((lost.half, lost.last_seen), (Half::Reply, Point::Overlay));
    assert_eq!(points(&lost), [Point::Port, Point::Bridge]);
}

#[test]
fn data_that_a_pod_does_not_answer_was_last_seen_at_the_pod() {
    let lost = all_wait(incoming(), 4 * SECOND).lost().expect("lost");
    assert_eq!((lost.half, lost.last_seen), (Half::Data, Point::Port));
    assert_eq!(lost.trip.side, Side::Destination);
    assert_eq!(points(&lost), [OUT[3], OUT[2], OUT[1], OUT[0]]);
}

#[test]
fn a_reply_that_does_not_leave_was_last_seen_where_it_passed() {
    let flow = all_wait(incoming(), 4 * SECOND)
        .answered_at(Point::Port)
        .answered_at(Point::Bridge);
    let lost = flow.lost().expect("lost");
    assert_eq!((lost.half, lost.last_seen), (Half::Reply, Point::Bridge));
    // Where replies never pass they take another way.
    let mut asymmetric = flow;
    asymmetric.record.announced &= 0xff;
    assert_eq!(asymmetric.lost(), None);
}

#[test]
fn nothing_is_lost_before_3_s_nor_while_answers_come() {
    assert_eq!(all_wait(outgoing(), 2_900_000_000).lost(), None);
    let waits = || all_wait(outgoing(), 4 * SECOND);
    assert!(waits().answered_in(EPOCH - 1, Point::Port).lost().is_some());
    assert_eq!(waits().answered_in(EPOCH, Point::Port).lost(), None);
}

#[test]
fn what_was_answered_or_is_seen_at_no_pod_point_is_not_lost() {
    let mut answered = outgoing();
    for point in OUT {
        answered = answered.answered_at(point);
    }
    assert_eq!(answered.lost(), None);
    assert_eq!(outgoing().lost(), None);
    let forwarded = Flow::new(6)
        .passed(&[Point::Underlay0], Hook::Ingress, DATA)
        .passed(&[Point::Tunnel], Hook::Egress, DATA);
    let forwarded = forwarded
        .waits(Point::Underlay0, 4 * SECOND)
        .waits(Point::Tunnel, 4 * SECOND);
    assert_eq!(forwarded.lost(), None);
}

#[test]
fn data_that_does_not_get_through_to_its_pod_was_last_seen_where_it_came_to() {
    let arrives = |flow: Flow| {
        flow.waits(Point::Underlay0, 4 * SECOND)
            .waits(Point::Overlay, 4 * SECOND)
    };
    let stranger = Flow::new(6).passed(&OUT[2..], Hook::Ingress, DATA);
    let lost = arrives(stranger).lost().expect("lost");
    assert_eq!((lost.half, lost.last_seen), (Half::Data, Point::Overlay));
    assert_eq!(lost.trip.side, Side::Destination);
    assert_eq!(points(&lost), [Point::Underlay0, Point::Overlay]);
    let with_older = |probe: u32| {
        let mut flow = arrives(incoming());
        flow.record.points[0].armed[DATA as usize] = u64::from(probe) << 32;
        flow.lost()
    };
    let lost = with_older(PROBE - 1).expect("the pod answered the one before");
    assert_eq!((lost.half, lost.last_seen), (Half::Data, Point::Overlay));
    assert_eq!(with_older(PROBE + 1), None, "the pod has answered since");
}

#[test]
fn selected_packets_are_followed_and_first_ones_that_nothing_ever_answered() {
    let rate = (1..=32)
        .find(|&rate| !is_selected(PROBE, rate))
        .expect("a rate");
    let unselected = all_wait(outgoing(), 4 * SECOND).rate(rate);
    assert_eq!(unselected.lost(), None);
    let first = Flow::new(6).passed(&OUT[..2], Hook::Ingress, DATA);
    let first = all_wait(first, 4 * SECOND).rate(rate);
    assert!(first.lost().is_some(), "a SYN without an answer");
    let echo = Flow::new(1).passed(&OUT[..2], Hook::Ingress, DATA);
    let echo = all_wait(echo, 4 * SECOND).passed(&OUT, Hook::Egress, BACK);
    assert!(
        echo.rate(rate).lost().is_some(),
        "echoes have their own rate"
    );
}

#[test]
fn a_dns_query_is_lost_at_its_path_s_rate_and_says_its_client_s_port() {
    let rate = (1..=32)
        .find(|&rate| !is_selected(PROBE, rate))
        .expect("a rate");
    let query = || {
        let mut flow =
            Flow::new(17)
                .passed(&OUT[..2], Hook::Ingress, DATA)
                .passed(&OUT, Hook::Egress, BACK);
        flow.key.low_port = [0, 0];
        flow.key.high_port = 53_u16.to_be_bytes();
        all_wait(flow, 4 * SECOND)
    };
    assert_eq!(query().rate(rate).lost(), None, "not selected");
    let mut asked = query().rate(0);
    let probe = 40_000 << 16 | PROBE;
    for point in &mut asked.record.points {
        let word = &mut point.armed[DATA as usize];
        if *word != 0 {
            *word = u64::from(probe) << 32 | (*word & 0xffff_ffff);
        }
    }
    let lost = asked.lost().expect("lost");
    assert_eq!((lost.half, lost.trip.source.1), (Half::Data, 40_000));
    assert_eq!(lost.trip.destination.1, 53);
    // Ids have no order: that the pod holds another one says nothing.
    let mut arrived = Flow::new(17)
        .passed(&OUT[..2], Hook::Egress, DATA)
        .passed(&OUT[2..], Hook::Ingress, DATA)
        .waits(Point::Overlay, 4 * SECOND);
    arrived.record.points[0].armed[DATA as usize] = u64::from(PROBE - 1) << 32;
    assert_eq!(arrived.lost(), None);
}

#[test]
fn a_lost_packet_is_told_once_and_a_flood_of_them_is_bounded() {
    let flow = all_wait(outgoing(), 4 * SECOND);
    let mut unanswered = Unanswered::default();
    let mut sweep = |flows: u16, later: u64| {
        let now = Monotonic(NOW + later * SECOND);
        unanswered.begin();
        for port in 0..flows {
            let key = FlowKey {
                low_port: port.to_be_bytes(),
                ..flow.key
            };
            let silence = Silence { now, ..silence() };
            unanswered.add(&key, &flow.record, &silence);
        }
        let mut ledger = BTreeMap::new();
        unanswered.add_to(&mut ledger);
        let counts = (ledger["no_reply"], ledger["no_reply_untold"]);
        (unanswered.take().len(), counts)
    };
    assert_eq!(sweep(2, 0), (2, (2, 0)));
    assert_eq!(sweep(2, 5), (0, (2, 0)));
    assert_eq!(sweep(102, 10), (64, (102, 36)));
    assert_eq!(sweep(0, 15), (0, (102, 36)), "the entries are missed");
    assert_eq!(sweep(1, 20), (0, (102, 36)));
}

#[test]
fn each_of_many_lost_packets_is_counted_once_as_long_as_its_entry_holds_it() {
    let lost = all_wait(outgoing(), 4 * SECOND);
    let heard = all_wait(outgoing(), 4 * SECOND).answered_in(EPOCH, Point::Port);
    let mut unanswered = Unanswered::default();
    let mut sweep = |flows: u16, flow: &Flow| {
        unanswered.begin();
        for port in 0..flows {
            let key = FlowKey {
                low_port: port.to_be_bytes(),
                ..flow.key
            };
            unanswered.add(&key, &flow.record, &silence());
        }
        let mut ledger = BTreeMap::new();
        unanswered.add_to(&mut ledger);
        ledger["no_reply"]
    };
    let many = 20_000;
    for _ in 0..3 {
        assert_eq!(sweep(many, &lost), u64::from(many));
    }
    for _ in 0..4 {
        assert_eq!(sweep(many, &heard), u64::from(many), "the other end");
    }
    assert_eq!(sweep(many, &lost), u64::from(many), "is heard no more");
    for _ in 0..3 {
        sweep(0, &lost);
    }
    assert_eq!(unanswered.known.len(), 0, "the entries are gone");
}

#[test]
fn ids_differ_between_flows_directions_and_nodes() {
    let key = Flow::new(6).key;
    let other = FlowKey {
        low_port: [0, 1],
        ..key
    };
    let ids = [
        (PROBE, &key, DATA, "n1"),
        (PROBE, &key, DATA, "n2"),
        (PROBE, &key, BACK, "n1"),
        (PROBE, &other, DATA, "n1"),
        (PROBE + 1, &key, DATA, "n1"),
    ]
    .map(|(probe, key, direction, node)| {
        Identity::one_sided(probe, key, direction, node).trace_id()
    });
    let unique: HashSet<_> = ids.into_iter().collect();
    assert_eq!(unique.len(), ids.len());
}
