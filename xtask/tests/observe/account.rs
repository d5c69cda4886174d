//! Both counts of a node side by side: the agent's rows and ledger, and the counters of nftables at
//! the same hooks; and how the one follows from the other.

use observer_ebpf::abi::point::Point;
use xtask::lab::Node;

use super::agent::Agent;
use super::counters::{Counters, Passed};
use super::kernel::{Counted, Maps, Sum};

/// IP and TCP header with timestamps: what each further segment of an aggregate repeats.
pub(crate) const HEADERS: u64 = 52;
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

/// A node with both counts of it.
pub(crate) struct Watched {
    name: String,
    counters: Counters,
    maps: Maps,
}

/// Both counts at one moment, or between two.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) counted: Counted,
    passed: Passed,
}

impl Watched {
    pub(crate) fn new(node: &Node, agent: &Agent) -> Self {
        Self {
            name: node.name.clone(),
            counters: Counters::install(node),
            maps: Maps::of(agent.pid()),
        }
    }

    /// What was counted while `work` ran.
    pub(crate) fn step(&self, work: impl FnOnce()) -> Step {
        let before = self.still();
        work();
        self.still().since(&before)
    }

    /// Both counts of a moment at which nothing passed.
    pub(crate) fn still(&self) -> Step {
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

/// What each node counted while `work` ran.
pub(crate) fn steps<const N: usize>(watched: &[Watched; N], work: impl FnOnce()) -> [Step; N] {
    let before = watched.each_ref().map(Watched::still);
    work();
    let after = watched.each_ref().map(Watched::still);
    let mut pairs = after.into_iter().zip(before);
    [(); N].map(|()| {
        let (after, before) = pairs.next().expect("as many");
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
        for (counts, base) in counted.unnamed.iter_mut().zip(&base.unnamed) {
            counts
                .iter_mut()
                .zip(base)
                .for_each(|(count, base)| *count -= base);
        }
        counted.frames -= base.frames;
        counted.refused -= base.refused;
        self.passed.frames -= before.passed.frames;
        for (count, base) in self.passed.ip.iter_mut().zip(&before.passed.ip) {
            count.packets -= base.packets;
            count.bytes -= base.bytes;
        }
        self
    }

    /// What the rows of pods counted at a point; the underlays together.
    pub(crate) fn pods(&self, point: Point) -> Sum {
        at(&self.counted.pods, point)
    }

    /// Packets and bytes per point, and frames over all points.
    pub(crate) fn assert_adds_up(&self, carries_vxlan: Point) {
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
        self.assert_frames();
    }

    /// Every frame is in a row or refused.
    pub(crate) fn assert_frames(&self) {
        let Self { counted, passed } = self;
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
