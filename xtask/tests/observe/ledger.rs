//! Nothing passes uncounted: at every point, the packets that nftables counts are the sum of the
//! agent's rows there, and what is in no row is in the ledger.

use std::time::Duration;

use observer_ebpf::abi::point::Point;
use xtask::lab::{Lab, Node, Scenario};
use xtask::traffic::{Bulk, Datagrams, Ping, Place, Stop, Volume};

use super::agent::Agent;
use super::bench::{agents, lab, options, silence, turn};
use super::counters::{Counters, Passed};
use super::kernel::{Counted, Maps, Sum};

/// Exact loads.
const DATAGRAMS: u32 = 400;
const DATAGRAM: usize = 500;
const PINGS: u32 = 25;
const BULK: u64 = 3_000_000;

/// IP and TCP header with timestamps: what each further segment of an aggregate repeats.
const HEADERS: u64 = 52;
/// Outer IP, UDP, VXLAN and inner Ethernet header.
const VXLAN: u64 = 50;

/// Points with counters; the underlays count as one.
const POINTS: [Point; 5] = [
    Point::Port,
    Point::Bridge,
    Point::Overlay,
    Point::Tunnel,
    Point::Underlay0,
];

#[test]
fn rows_add_up_to_what_nft_counts_at_every_point_of_h2() {
    let test = "ledger::rows_add_up_to_what_nft_counts_at_every_point_of_h2";
    check(test, Scenario::H2, Point::Underlay0);
}

#[test]
fn rows_add_up_to_what_nft_counts_at_every_point_of_s1() {
    let test = "ledger::rows_add_up_to_what_nft_counts_at_every_point_of_s1";
    check(test, Scenario::S1, Point::Tunnel);
}

fn check(test: &str, scenario: Scenario, carries_vxlan: Point) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(scenario, "sum"));
    // Hairpin sends a pod's multicast back by the same port, where the agent counts a packet once.
    silence(&lab);
    let agents = agents(&lab, &[]);
    let sender = fastrand::usize(..3);
    let receiver = (sender + fastrand::usize(1..3)) % 3;
    let watched = [sender, receiver].map(|place| Watched::new(&lab.nodes()[place], &agents[place]));
    let [from, to] = [sender, receiver].map(|place| &lab.nodes()[place].pods[0]);
    let (from, to) = (Place::from(from), Place::from(to));
    // Names the pair, so that no packet below counts as unknown.
    ping(&from, &to, 3);
    for place in [sender, receiver] {
        agents[place].await_sweep("the pair", |sweep| {
            sweep.path(from.address, to.address).is_some()
        });
    }
    let on_path = [Point::Port, Point::Bridge, Point::Overlay, carries_vxlan];
    let pods = |step: &Step, name: &str| {
        let at = |point| step.counted.pods[point as usize];
        on_path.map(|point| (name.to_owned(), point, at(point)))
    };

    for (step, node) in steps(&watched, || send_datagrams(&from, &to))
        .iter()
        .zip(&watched)
    {
        step.assert_adds_up(carries_vxlan);
        let bytes = u64::from(DATAGRAMS) * (u64::try_from(DATAGRAM).expect("small") + 28);
        for found in pods(step, &node.name) {
            assert_eq!(
                found.2,
                exact(DATAGRAMS.into(), bytes),
                "datagrams: {found:?}"
            );
        }
    }
    for (step, node) in steps(&watched, || ping(&from, &to, PINGS))
        .iter()
        .zip(&watched)
    {
        step.assert_adds_up(carries_vxlan);
        for found in pods(step, &node.name) {
            let both = u64::from(PINGS) * 2;
            assert_eq!(found.2, exact(both, both * 84), "pings: {found:?}");
        }
    }
    for step in steps(&watched, || send_bulk(&from, &to)) {
        step.assert_adds_up(carries_vxlan);
        let sum = step.counted.pods[Point::Overlay as usize];
        assert!(sum.bytes > BULK, "{sum:?}");
    }
    assert_lines(&lab, agents, [sender, receiver], &watched);
}

/// The lines at the end repeat the rows of the pod point, and the ledger its cells.
fn assert_lines(lab: &Lab, agents: Vec<Agent>, ends: [usize; 2], watched: &[Watched; 2]) {
    let rows = watched.each_ref().map(|watched| watched.still().counted);
    for (place, agent) in agents.into_iter().enumerate() {
        let Some(end) = ends.iter().position(|&end| end == place) else {
            continue;
        };
        let ended = agent.end();
        let last = ended.last();
        let [one, other] = ends.map(|end| lab.nodes()[end].pods[0].address);
        let lines =
            [(one, other), (other, one)].map(|(from, to)| last.path(from, to).expect("path"));
        let unknown = last.collected("unknown");
        let [packets, bytes] = [
            lines.iter().map(|line| line.packets).sum::<u64>() + unknown,
            lines.iter().map(|line| line.bytes).sum::<u64>(),
        ];
        let row = rows[end].pods[Point::Port as usize];
        assert_eq!(packets, row.segments, "{lines:?}");
        assert!(bytes <= row.bytes && bytes > BULK, "{lines:?} of {row:?}");
        let ledger = &last.ledger;
        assert!(ledger.get("frames") >= rows[end].frames, "{ledger:?}");
        assert_eq!(ledger.get("parse_rejected"), 0, "{ledger:?}");
        for loss in [
            "flow_refused_budget",
            "flow_refused_map",
            "unattributed",
            "ring_full",
        ] {
            assert_eq!(ledger.get(loss), 0, "{loss}: {ledger:?}");
        }
    }
}

/// A node with both counts of it.
struct Watched {
    name: String,
    counters: Counters,
    maps: Maps,
}

/// Both counts at one moment, or between two.
#[derive(Debug, Clone)]
struct Step {
    counted: Counted,
    passed: Passed,
}

impl Watched {
    fn new(node: &Node, agent: &Agent) -> Self {
        Self {
            name: node.name.clone(),
            counters: Counters::install(node),
            maps: Maps::of(agent.pid()),
        }
    }

    /// Both counts of a moment at which nothing passed.
    fn still(&self) -> Step {
        for _ in 0..50 {
            let (before, passed) = (self.maps.read(), self.counters.read());
            if self.maps.read() == before {
                return Step {
                    counted: before,
                    passed,
                };
            }
        }
        panic!("{} is never still", self.name);
    }
}

/// What both nodes counted while `work` ran.
fn steps(watched: &[Watched; 2], work: impl FnOnce()) -> [Step; 2] {
    let before = watched.each_ref().map(Watched::still);
    work();
    let after = watched.each_ref().map(Watched::still);
    let mut pairs = after.into_iter().zip(before);
    [(); 2].map(|()| {
        let (after, before) = pairs.next().expect("two");
        after.since(&before)
    })
}

impl Step {
    fn since(mut self, before: &Self) -> Self {
        let less = |sum: &mut Sum, base: &Sum| {
            sum.buffers -= base.buffers;
            sum.bytes -= base.bytes;
            sum.segments -= base.segments;
        };
        let (counted, base) = (&mut self.counted, &before.counted);
        counted
            .pods
            .iter_mut()
            .zip(&base.pods)
            .for_each(|(sum, base)| less(sum, base));
        counted
            .others
            .iter_mut()
            .zip(&base.others)
            .for_each(|(sum, base)| less(sum, base));
        counted.frames -= base.frames;
        counted.refused -= base.refused;
        self.passed.frames -= before.passed.frames;
        for (count, base) in self.passed.ip.iter_mut().zip(&before.passed.ip) {
            count.packets -= base.packets;
            count.bytes -= base.bytes;
        }
        self
    }

    /// Packets and bytes per point, and frames over all points.
    fn assert_adds_up(&self, carries_vxlan: Point) {
        let Self { counted, passed } = self;
        for point in POINTS {
            let [pods, others] = [&counted.pods, &counted.others].map(|sums| at(sums, point));
            let nft = passed.ip[point as usize];
            assert_eq!(
                pods.buffers + others.buffers,
                nft.packets,
                "packets at {point:?}: {self:#?}"
            );
            let around = if point == carries_vxlan {
                VXLAN * pods.buffers
            } else {
                0
            };
            // Segments of an aggregate share one header in the buffer.
            let shared = HEADERS * (pods.segments - pods.buffers);
            let bytes = nft.bytes - around + shared;
            assert_eq!(
                pods.bytes + others.bytes,
                bytes,
                "bytes at {point:?}: {self:#?}"
            );
        }
        assert_eq!(counted.frames, passed.frames, "frames: {self:#?}");
        let rows = counted.pods.iter().chain(&counted.others);
        let rows: u64 = rows.map(|sum| sum.buffers).sum();
        assert_eq!(rows + counted.refused, counted.frames, "{self:#?}");
    }
}

/// The sum at a point; the underlays together.
fn at(sums: &[Sum; 8], point: Point) -> Sum {
    let places = if point == Point::Underlay0 {
        5..8
    } else {
        point as usize..point as usize + 1
    };
    let mut total = Sum::default();
    for sum in &sums[places] {
        total.buffers += sum.buffers;
        total.bytes += sum.bytes;
        total.segments += sum.segments;
    }
    total
}

fn exact(packets: u64, bytes: u64) -> Sum {
    Sum {
        buffers: packets,
        bytes,
        segments: packets,
    }
}

fn send_datagrams(from: &Place, to: &Place) {
    let load = Datagrams {
        gap: Duration::from_micros(200),
        ..Datagrams::new(from.clone(), to.clone(), DATAGRAMS, DATAGRAM)
    };
    let report = load.drive(&Stop::default()).expect("datagrams");
    assert_eq!((report.sent, report.received), (DATAGRAMS, DATAGRAMS));
}

fn ping(from: &Place, to: &Place, count: u32) {
    let report = Ping::new(from.clone(), to.address, count).drive(&Stop::default());
    assert_eq!(report.expect("ping").received, count);
}

fn send_bulk(from: &Place, to: &Place) {
    let load = Bulk::new(from.clone(), to.clone(), Volume::Bytes(BULK));
    assert_eq!(load.drive(&Stop::default()).expect("transfer").bytes, BULK);
}
