//! Packets that nobody answered: from what a flow's entry holds armed to where the packet or its
//! reply was seen last on this node. Time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use observer_ebpf::abi::biflow::{
    Assignment, BiflowRecord, Carriage, announced_bit, trajectory_bit,
};
use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::step::is_selected;
use observer_ebpf::units::{Monotonic, Ticks};

use super::identity::UDP;
use super::{Identity, RoundTrip, Side, Sighting};

/// A packet is given up after this, nanoseconds: a little before a point takes another one instead.
const PATIENCE: u64 = 3_000_000_000;
/// Lost packets told per sweep; a node that dies takes thousands of flows with it.
const TOLD: usize = 64;
/// Sweeps without its flow's entry after which a lost packet is forgotten: one may miss an entry that
/// moves.
const MISSED: u32 = 2;
/// IP protocols of echoes.
const ICMP: [u8; 2] = [1, 58];

/// Which half of a round trip did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The packet, or nobody answered it.
    Data,
    /// Its reply.
    Reply,
}

/// A packet without an answer, as this node saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The points that the data passed and where no reply came by, in the order of the data. Of the
    /// reply they hold the time when it was given up.
    pub trip: RoundTrip,
    /// What did not get through.
    pub half: Half,
    /// The last point of this node that saw the packet, or its reply.
    pub last_seen: Point,
}

/// What one sweep needs to know to tell a lost packet from one under way.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'a> {
    /// This node.
    pub node: &'a str,
    /// Now, monotonic.
    pub now: Monotonic,
    /// The epoch that has just ended.
    pub epoch: u32,
    /// One echo in 2^this is selected.
    pub echo_rate: u8,
}

/// The lost packets of one sweep, each told once.
#[derive(Debug, Default)]
pub struct Unanswered {
    found: Vec<Lost>,
    /// The sweep that saw each of them held last: so many as the flow entries hold, and no more.
    known: HashMap<Identity, u32>,
    sweep: u32,
    untold: u64,
    count: u64,
}

impl Unanswered {
    /// Begins a sweep.
    pub fn begin(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
        let now = self.sweep;
        self.known
            .retain(|_, held| now.wrapping_sub(*held) <= MISSED);
        self.found.clear();
    }

    /// Looks at one flow entry.
    pub fn add(&mut self, key: &FlowKey, flow: &BiflowRecord, silence: &Silence<'_>) {
        for direction in FlowDirection::ALL {
            let entry = Entry {
                key,
                flow,
                direction,
            };
            self.keep(&entry, silence);
            let Some(lost) = entry.lost(silence) else {
                continue;
            };
            if self.known.insert(lost.trip.identity, self.sweep).is_some() {
                continue;
            }
            self.count += 1;
            if self.found.len() >= TOLD {
                self.untold += 1;
            } else {
                self.found.push(lost);
            }
        }
    }

    /// Remembers the lost packets that an entry still holds, also while its other end is heard and
    /// tells nothing.
    fn keep(&mut self, entry: &Entry<'_>, silence: &Silence<'_>) {
        if self.known.is_empty() {
            return;
        }
        let points = Point::ALL.into_iter();
        let held = points.filter_map(|point| entry.held(point, silence.now));
        let mut last = None;
        for Held { probe, .. } in held.filter(|held| held.age.is_some()) {
            // Mostly all points hold the same.
            if last.replace(probe) != Some(probe)
                && let Some(seen) = self.known.get_mut(&entry.identity(probe, silence.node))
            {
                *seen = self.sweep;
            }
        }
    }

    /// What this sweep found first.
    #[must_use]
    pub fn take(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.found)
    }

    /// Adds to the ledger how many were found so far, and how many of them found no room in their
    /// sweep.
    pub fn add_to(&self, ledger: &mut BTreeMap<String, u64>) {
        ledger.insert("no_reply".to_owned(), self.count);
        ledger.insert("no_reply_untold".to_owned(), self.untold);
    }
}

/// One direction of a flow: that of the data.
struct Entry<'a> {
    key: &'a FlowKey,
    flow: &'a BiflowRecord,
    direction: FlowDirection,
}

/// The probe that a point holds.
#[derive(Clone, Copy)]
struct Held {
    point: Point,
    probe: u32,
    /// Nanoseconds since the data passed; `None` if it was answered.
    age: Option<u64>,
}

impl Entry<'_> {
    fn lost(&self, silence: &Silence<'_>) -> Option<Lost> {
        let side = self.side()?;
        let near = [Point::Port, Point::Bridge]
            .into_iter()
            .find_map(|point| self.held(point, silence.now));
        let is_overdue =
            |held: &Held| held.age >= Some(PATIENCE) && !self.answers(held.point, silence.epoch);
        let near_is_overdue = near.filter(is_overdue);
        let overdue = match side {
            Side::Source => near_is_overdue?,
            Side::Destination => near_is_overdue.or_else(|| self.arrived(near, silence))?,
            Side::Transit => return None,
        };
        if !self.is_followed(overdue.probe, silence.echo_rate) {
            return None;
        }
        let points = Point::ALL.into_iter();
        let held: Vec<Held> = points
            .filter_map(|point| self.held(point, silence.now))
            .filter(|held| held.probe == overdue.probe)
            .collect();
        let (waiting, answered): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| held.age.is_some());
        let (half, last_seen) = match (side, answered.as_slice()) {
            (Side::Source, []) => (Half::Data, waiting.last()?),
            (Side::Source, [innermost, ..]) => (Half::Reply, innermost),
            (Side::Destination | Side::Transit, []) => (Half::Data, waiting.first()?),
            (Side::Destination | Side::Transit, [.., outermost]) => (Half::Reply, outermost),
        };
        let last_seen = last_seen.point;
        Some(Lost {
            trip: self.trip(side, overdue.probe, waiting, silence)?,
            half,
            last_seen,
        })
    }

    /// Of data that came from outside: the point nearest to the pod that waits although the pod has
    /// answered, or that the data did not get beyond.
    fn arrived(&self, near: Option<Held>, silence: &Silence<'_>) -> Option<Held> {
        let outer = Point::ALL
            .into_iter()
            .filter(|point| *point > Point::Bridge);
        let mut outer = outer.filter_map(|point| self.held(point, silence.now));
        let overdue = outer
            .find(|held| held.age >= Some(PATIENCE) && !self.answers(held.point, silence.epoch))?;
        let is_lost = match near {
            // Replies may take another way than the data: where none ever passed none is missed.
            Some(near) if near.probe == overdue.probe => {
                near.age.is_none() && self.was_passed_back(overdue.point)
            }
            // Ids of DNS have no order.
            Some(_) if self.key.protocol == UDP => false,
            Some(near) => overdue.probe.wrapping_sub(near.probe) < u32::MAX / 2,
            None => true,
        };
        is_lost.then_some(overdue)
    }

    /// What a point holds.
    fn held(&self, point: Point, now: Monotonic) -> Option<Held> {
        let state = self.flow.points.get(point.index())?;
        let word = *self.direction.of(&state.armed);
        let since = Ticks(low(word));
        (word != 0).then(|| Held {
            point,
            probe: low(word >> 32),
            age: (since.0 != 0).then(|| now.ticks().since(since).nanos()),
        })
    }

    fn trip(
        &self,
        side: Side,
        probe: u32,
        mut waiting: Vec<Held>,
        silence: &Silence<'_>,
    ) -> Option<RoundTrip> {
        if side == Side::Destination {
            waiting.reverse();
        }
        let sightings = waiting.iter().filter_map(|held| {
            Some(Sighting {
                point: held.point,
                reply_hook: Hook::Ingress,
                reply_time: silence.now.0,
                rtt: held.age?,
            })
        });
        let (source, destination) = self.key.ends(self.direction);
        let ports = [self.key.low_port, self.key.high_port].map(u16::from_be_bytes);
        let [source_port, destination_port] = match self.direction {
            FlowDirection::LowToHigh => ports,
            FlowDirection::HighToLow => [ports[1], ports[0]],
        };
        let identity = self.identity(probe, silence.node);
        let trip = RoundTrip {
            identity,
            side,
            source: (IpAddr::from(source), identity.source_port(source_port)),
            destination: (IpAddr::from(destination), destination_port),
            protocol: self.key.protocol,
            path: Assignment::from_word(self.flow.assignment).path,
            sightings: sightings.collect(),
        };
        (!trip.sightings.is_empty()).then_some(trip)
    }

    fn identity(&self, probe: u32, node: &str) -> Identity {
        Identity::one_sided(probe, self.key, self.direction, node)
    }

    /// A selected packet, or the first one of a flow whose other direction was never seen.
    fn is_followed(&self, probe: u32, echo_rate: u8) -> bool {
        let rate = if ICMP.contains(&self.key.protocol) {
            echo_rate
        } else {
            Assignment::from_word(self.flow.assignment).rate
        };
        let back = |point| self.was_passed_back(point);
        is_selected(probe, rate) || !Point::ALL.into_iter().any(back)
    }

    /// This node's end of the way; the data of a node that only forwards has left it too.
    fn side(&self) -> Option<Side> {
        let pod_points = [Point::Port, Point::Bridge];
        let passed = |points: &[Point], hook| {
            let mut points = points.iter();
            points.any(|&point| self.was_announced(point, hook, self.direction))
        };
        if passed(&pod_points, Hook::Ingress) {
            Some(Side::Source)
        } else if passed(&pod_points, Hook::Egress) {
            Some(Side::Destination)
        } else {
            (!passed(&Point::ALL, Hook::Egress)).then_some(Side::Destination)
        }
    }

    /// Replies have passed this point before.
    fn was_passed_back(&self, point: Point) -> bool {
        Hook::ALL
            .into_iter()
            .any(|hook| self.was_announced(point, hook, self.direction.reverse()))
    }

    fn was_announced(&self, point: Point, hook: Hook, direction: FlowDirection) -> bool {
        let bit = announced_bit(Site { point, hook }, direction);
        self.flow.announced & 1 << bit != 0
    }

    /// Something came back past this point in the epoch: whether that was before the packet or after
    /// it only the next epoch shows.
    fn answers(&self, point: Point, epoch: u32) -> bool {
        let bits = self
            .direction
            .reverse()
            .of(&self.flow.trajectory)
            .bits(epoch);
        let carriages = [Carriage::Plain, Carriage::Vxlan].into_iter();
        let mut sites = carriages.flat_map(|carriage| {
            Hook::ALL.map(|hook| trajectory_bit(Site { point, hook }, carriage))
        });
        sites.any(|bit| bits & 1 << bit != 0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half of a word")]
const fn low(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests;
