//! What the flow entries of one sweep say per path and direction: trajectory bits, outer flows. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use observer_ebpf::abi::biflow::{Assignment, BiflowRecord, TcpOptions};
use observer_ebpf::abi::key::{Address, FlowKey, PairKey};
use observer_ebpf::abi::point::{FlowDirection, Point};
use observer_ebpf::abi::{PATH_REFUSED, PATH_UNKNOWN, PATHS};

use crate::path::TcpReport;

/// One direction of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Trajectory bits of all its flows.
    pub bits: u32,
    /// Those of them that two flows or two epochs say. A single one may be false: a packet whose
    /// entry goes to another flow while it is looked at leaves its bit there.
    pub firm: u32,
    /// (point, hash of the outer flow there).
    pub outer: BTreeSet<(Point, u32)>,
    /// Those of them that two flows or two epochs say.
    pub firm_outer: BTreeSet<(Point, u32)>,
    /// What its TCP connections say.
    pub tcp: TcpReport,
    /// Sweeps since a packet passed.
    pub idle: u16,
}

/// How a flow stands at the end of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Path number that it counts on.
    pub path: u16,
    /// True if no packet passed in the epoch.
    pub is_silent: bool,
}

impl Direction {
    /// The same after what the sweep before saw: what both saw is firm.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.firm |= self.bits & before.bits;
        self.firm_outer.extend(&self.outer & &before.outer);
        // The connection that said it may be gone.
        self.tcp.mss = self.tcp.mss.or(before.tcp.mss);
        self
    }

    /// What is firm, alone.
    #[must_use]
    pub fn firm(&self) -> Self {
        Self {
            bits: self.firm,
            outer: self.firm_outer.clone(),
            ..self.clone()
        }
    }
}

/// All paths of one sweep.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    directions: HashMap<(u16, FlowDirection), Direction>,
    unnamed: BTreeSet<(Address, Address)>,
    held: HashSet<(Point, u32)>,
    silent: Vec<(FlowKey, u32)>,
    newest: u32,
    /// Entries in the flow table.
    pub entries: u64,
}

impl Seen {
    /// Adds one flow entry as it was in `epoch`.
    pub fn add(&mut self, key: &FlowKey, flow: &BiflowRecord, epoch: u32) -> Standing {
        self.entries += 1;
        let assignment = Assignment::from_word(flow.assignment);
        let path = assignment.path;
        let is_unnamed = path == PATH_UNKNOWN || path == PATH_REFUSED;
        if is_unnamed && self.unnamed.len() < usize::from(PATHS) {
            self.unnamed.insert((key.low, key.high));
        }
        self.newest = self.newest.max(flow.last_seen);
        let mut is_silent = true;
        for direction in FlowDirection::ALL {
            self.add_options(
                (path, assignment.along(direction)),
                direction.of(&flow.tcp).options,
            );
            let [bits, other] = direction.of(&flow.trajectory).bits_beside(epoch);
            let along = assignment.along(direction);
            let seen = self.directions.entry((path, along)).or_default();
            is_silent &= bits == 0;
            seen.firm |= bits & (seen.bits | other);
            seen.bits |= bits;
            for (point, state) in Point::ALL.into_iter().zip(&flow.points) {
                let hash = *direction.of(&state.outer);
                if hash != 0 {
                    self.held.insert((point, hash));
                }
                if hash != 0 && bits != 0 && !seen.outer.insert((point, hash)) {
                    seen.firm_outer.insert((point, hash));
                }
            }
        }
        if is_silent {
            self.silent.push((*key, flow.last_seen));
        }
        Standing { path, is_silent }
    }

    /// Adds what one direction of a connection said: an MSS of its own, gaps in the other one's data.
    fn add_options(&mut self, (path, direction): (u16, FlowDirection), options: u32) {
        let said = TcpOptions::from_word(options);
        if said.flags & TcpOptions::MSS != 0 {
            let tcp = &mut self.directions.entry((path, direction)).or_default().tcp;
            tcp.mss = tcp.mss.into_iter().chain([said.mss]).min();
        }
        if said.flags & TcpOptions::SACK_BLOCKS != 0 {
            let data = self.directions.entry((path, direction.reverse()));
            data.or_default().tcp.with_gaps += 1;
        }
    }

    /// Flows that were silent for more than `windows` accounting windows before the newest packet.
    pub fn expired(&self, windows: u32) -> impl Iterator<Item = &FlowKey> {
        let newest = self.newest;
        let is_old = move |last: u32| newest.wrapping_sub(last) > windows;
        self.silent
            .iter()
            .filter(move |(_, last)| is_old(*last))
            .map(|(key, _)| key)
    }

    /// What was seen of a direction; `None` if nothing passed in the epoch.
    #[must_use]
    pub fn direction(&self, path: u16, direction: FlowDirection) -> Option<&Direction> {
        self.directions
            .get(&(path, direction))
            .filter(|seen| seen.bits != 0)
    }

    /// True if a flow entry, busy or idle, holds this outer flow's hash.
    #[must_use]
    pub fn holds(&self, point: Point, hash: u32) -> bool {
        self.held.contains(&(point, hash))
    }

    /// Pairs of flows without a path number, no more than there are numbers.
    pub fn unnamed(&self) -> impl Iterator<Item = PairKey> + '_ {
        self.unnamed
            .iter()
            .map(|&(low, high)| PairKey { low, high })
    }

    /// True if an entry carries the path number, busy or idle.
    #[must_use]
    pub fn carries(&self, path: u16) -> bool {
        FlowDirection::ALL
            .iter()
            .any(|&direction| self.directions.contains_key(&(path, direction)))
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::biflow::Trajectory;

    use super::*;

    fn flow(current: (u64, u64), previous: (u64, u64)) -> BiflowRecord {
        let word = |(epoch, bits): (u64, u64)| epoch << 32 | bits;
        let mut flow = BiflowRecord {
            assignment: 9,
            ..BiflowRecord::default()
        };
        flow.trajectory[0] = Trajectory {
            current: word(current),
            previous: word(previous),
        };
        flow
    }

    fn low_bits(flow: &BiflowRecord, epoch: u32) -> Option<u32> {
        let mut seen = Seen::default();
        seen.add(&FlowKey::default(), flow, epoch);
        assert!(seen.carries(9));
        seen.direction(9, FlowDirection::LowToHigh)
            .map(|direction| direction.bits)
    }

    #[test]
    fn the_bits_of_an_epoch_are_found_on_both_sides_of_its_end() {
        assert_eq!(low_bits(&flow((5, 0b11), (4, 0b1)), 5), Some(0b11));
        assert_eq!(low_bits(&flow((6, 0b10), (5, 0b1)), 5), Some(0b1));
    }

    #[test]
    fn a_bit_is_firm_when_two_flows_or_two_epochs_say_it() {
        let mut seen = Seen::default();
        let mut add = |current, previous| {
            seen.add(&FlowKey::default(), &flow(current, previous), 5);
            let found = seen.direction(9, FlowDirection::LowToHigh);
            found.map(|direction| (direction.bits, direction.firm))
        };
        assert_eq!(add((5, 0b0001), (0, 0)), Some((0b0001, 0)));
        assert_eq!(add((5, 0b0010), (4, 0b0010)), Some((0b0011, 0b0010)));
        assert_eq!(add((5, 0b0101), (0, 0)), Some((0b0111, 0b0011)));
        assert_eq!(add((6, 0b1000), (5, 0b1000)), Some((0b1111, 0b1011)));
    }

    #[test]
    fn what_two_sweeps_saw_is_firm() {
        let direction = |bits, hash| Direction {
            bits,
            outer: BTreeSet::from([(Point::Tunnel, hash)]),
            ..Direction::default()
        };
        let after = direction(0b110, 7).after(&direction(0b011, 7));
        assert_eq!((after.firm, after.firm_outer.len()), (0b010, 1));
        assert_eq!(after.firm().bits, 0b010);
        let other = direction(0b110, 8).after(&direction(0b011, 7));
        assert!(other.firm_outer.is_empty());
    }

    #[test]
    fn a_flow_expires_by_its_distance_from_the_newest_packet() {
        let mut seen = Seen::default();
        let old = FlowKey {
            protocol: 6,
            ..FlowKey::default()
        };
        seen.add(
            &old,
            &BiflowRecord {
                last_seen: 10,
                ..flow((3, 1), (2, 1))
            },
            9,
        );
        seen.add(
            &FlowKey::default(),
            &BiflowRecord {
                last_seen: 111,
                ..flow((9, 1), (8, 1))
            },
            9,
        );
        assert_eq!(seen.expired(100).collect::<Vec<_>>(), [&old]);
        assert_eq!(seen.expired(101).count(), 0);
    }

    #[test]
    fn a_turned_flow_is_seen_in_the_direction_of_its_path() {
        let turned = Assignment {
            path: 9,
            rate: 0,
            flags: Assignment::TURNED,
        };
        let flow = BiflowRecord {
            assignment: turned.word(),
            ..flow((5, 0b11), (4, 0))
        };
        let mut seen = Seen::default();
        let standing = seen.add(&FlowKey::default(), &flow, 5);
        assert_eq!((standing.path, standing.is_silent), (9, false));
        assert_eq!(seen.direction(9, FlowDirection::LowToHigh), None);
        let bits = seen
            .direction(9, FlowDirection::HighToLow)
            .map(|seen| seen.bits);
        assert_eq!(bits, Some(0b11));
    }

    #[test]
    fn the_smallest_mss_counts_for_its_direction_and_gaps_for_the_other() {
        let mut seen = Seen::default();
        let turned = Assignment {
            path: 9,
            rate: 0,
            flags: Assignment::TURNED,
        };
        let mss = |mss, flags| TcpOptions {
            mss,
            window_scale: 7,
            flags: flags | TcpOptions::MSS,
        };
        for (said, assignment) in [
            ([mss(1_400, 0), mss(1_300, TcpOptions::SACK_BLOCKS)], 9),
            ([mss(1_350, 0), TcpOptions::NONE], 9),
            (
                [mss(1_250, TcpOptions::SACK_BLOCKS), mss(1_390, 0)],
                turned.word(),
            ),
        ] {
            let mut flow = flow((5, 1), (4, 1));
            flow.assignment = assignment;
            flow.trajectory[1] = flow.trajectory[0].clone();
            flow.tcp[0].options = said[0].word();
            flow.tcp[1].options = said[1].word();
            seen.add(&FlowKey::default(), &flow, 5);
        }
        let tcp = |direction| seen.direction(9, direction).map(|seen| seen.tcp);
        let report = |mss, with_gaps| {
            Some(TcpReport {
                mss: Some(mss),
                with_gaps,
            })
        };
        assert_eq!(tcp(FlowDirection::LowToHigh), report(1_350, 2));
        assert_eq!(tcp(FlowDirection::HighToLow), report(1_250, 0));
    }

    #[test]
    fn an_mss_stays_when_its_connection_is_gone() {
        let direction = |mss| Direction {
            tcp: TcpReport { mss, with_gaps: 1 },
            ..Direction::default()
        };
        let tcp = |now, before| direction(now).after(&direction(before)).tcp.mss;
        assert_eq!(tcp(None, Some(1_400)), Some(1_400));
        assert_eq!(tcp(Some(1_300), Some(1_200)), Some(1_300));
    }

    #[test]
    fn older_bits_are_idle() {
        assert_eq!(low_bits(&flow((3, 0b11), (2, 0b1)), 5), None);
        assert_eq!(low_bits(&flow((7, 0b11), (5, 0b1)), 5), None);
    }
}
