//! What is new in each report since the last sweep. A report is known again by its addresses:
//! names and class may be learnt later, and its counts go on.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::path::{Class, PathReport};

/// Address pairs at once: 8,192 x about 150 bytes.
const PAIRS: usize = 8_192;
/// Pairs that are kept when there are more: a quarter less, so that the search for the oldest is
/// rare.
const KEPT: usize = PAIRS / 4 * 3;

/// Counts of a path that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets on the wire.
    pub(super) packets: u64,
    /// L3 bytes.
    pub(super) bytes: u64,
    /// Fragments: inner, VXLAN, WireGuard.
    pub(super) fragments: [u64; 3],
}

impl Counts {
    fn of(report: &PathReport) -> Self {
        let fragments = report.fragments;
        Self {
            packets: report.packets,
            bytes: report.bytes,
            fragments: [
                fragments.inner,
                fragments.vxlan,
                fragments.wireguard.unwrap_or(0),
            ],
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        *self = self.zip(more, u64::saturating_add);
    }

    /// Growth since `before`; a count that fell began anew.
    fn since(&self, before: &Self) -> Self {
        self.zip(before, |now, before| now.checked_sub(before).unwrap_or(now))
    }

    fn zip(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let [a, b, c] = self.fragments;
        let [d, e, f] = other.fragments;
        Self {
            packets: with(self.packets, other.packets),
            bytes: with(self.bytes, other.bytes),
            fragments: [with(a, d), with(b, e), with(c, f)],
        }
    }
}

type Pair = (Option<IpAddr>, Option<IpAddr>);

/// What every report said last.
#[derive(Debug, Default)]
pub(super) struct Baselines {
    pairs: HashMap<Pair, Last>,
    sweep: u64,
}

#[derive(Debug, Default)]
struct Last {
    sweep: u64,
    by_class: BTreeMap<(Option<Class>, usize), Counts>,
}

impl Baselines {
    /// Growth of each report, in their order.
    pub(super) fn advance(&mut self, reports: &[PathReport]) -> Vec<Counts> {
        self.sweep += 1;
        // Rows with equal addresses and class are told apart by their order.
        let mut rows: HashMap<Pair, BTreeMap<(Option<Class>, usize), Counts>> = HashMap::new();
        let mut keys = Vec::with_capacity(reports.len());
        for report in reports {
            let pair = (report.source.address, report.destination.address);
            let same = rows.entry(pair).or_default();
            let nth = same
                .keys()
                .filter(|(class, _)| *class == report.class)
                .count();
            same.insert((report.class, nth), Counts::of(report));
            keys.push((pair, (report.class, nth)));
        }
        let mut growth: HashMap<_, Counts> = HashMap::new();
        for (pair, by_class) in rows {
            let last = self.pairs.entry(pair).or_default();
            let mut gone = std::mem::take(&mut last.by_class);
            gone.retain(|key, before| match by_class.get(key) {
                None => true,
                Some(now) => {
                    growth.insert((pair, *key), now.since(before));
                    false
                }
            });
            // A class that is new takes over from one that is gone: the row was named anew.
            for (key, now) in &by_class {
                growth.entry((pair, *key)).or_insert_with(|| {
                    let before = gone.pop_first().map(|(_, before)| before);
                    now.since(&before.unwrap_or_default())
                });
            }
            *last = Last {
                sweep: self.sweep,
                by_class,
            };
        }
        self.forget();
        keys.iter()
            .map(|key| growth.get(key).copied().unwrap_or_default())
            .collect()
    }

    /// Forgets the pairs that were absent longest.
    fn forget(&mut self) {
        if self.pairs.len() <= PAIRS {
            return;
        }
        let excess = self.pairs.len() - KEPT;
        let mut absent: Vec<(u64, Pair)> = self
            .pairs
            .iter()
            .filter(|(_, last)| last.sweep < self.sweep)
            .map(|(&pair, last)| (last.sweep, pair))
            .collect();
        absent.sort_unstable();
        for (_, pair) in absent.iter().take(excess) {
            self.pairs.remove(pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::export::fixture::report;

    fn growth(baselines: &mut Baselines, rows: &[(Option<Class>, u64)]) -> Vec<u64> {
        let reports: Vec<_> = rows
            .iter()
            .map(|&(class, packets)| PathReport {
                class,
                packets,
                ..report()
            })
            .collect();
        let counts = baselines.advance(&reports);
        counts.iter().map(|counts| counts.packets).collect()
    }

    #[test]
    fn a_row_grows_by_the_difference_and_from_zero_when_it_began_anew() {
        let mut baselines = Baselines::default();
        let class = Some(Class::LanDirect);
        assert_eq!(growth(&mut baselines, &[(class, 100)]), [100]);
        assert_eq!(growth(&mut baselines, &[(class, 130)]), [30]);
        assert_eq!(growth(&mut baselines, &[(class, 130)]), [0]);
        assert_eq!(growth(&mut baselines, &[]), [0_u64; 0]);
        assert_eq!(growth(&mut baselines, &[(class, 150)]), [20]);
        assert_eq!(growth(&mut baselines, &[(class, 7)]), [7]);
    }

    #[test]
    fn a_row_that_changes_class_is_not_counted_twice() {
        let mut baselines = Baselines::default();
        assert_eq!(growth(&mut baselines, &[(Some(Class::Unknown), 40)]), [40]);
        assert_eq!(
            growth(&mut baselines, &[(Some(Class::LanDirect), 100)]),
            [60]
        );
    }

    #[test]
    fn rows_of_one_pair_in_two_classes_grow_apart() {
        let mut baselines = Baselines::default();
        let (a, b) = (Some(Class::LanDirect), Some(Class::VxlanTailscale));
        assert_eq!(growth(&mut baselines, &[(a, 10)]), [10]);
        assert_eq!(
            growth(&mut baselines, &[(a, 10), (b, 5), (b, 1)]),
            [0, 5, 1]
        );
        assert_eq!(
            growth(&mut baselines, &[(a, 11), (b, 7), (b, 4)]),
            [1, 2, 3]
        );
    }

    #[test]
    fn pairs_that_come_and_go_do_not_pile_up() {
        let mut baselines = Baselines::default();
        let some = |hundred: u32| -> Vec<_> {
            let addresses = (hundred * 100..).take(100);
            let report = |number| {
                let mut report = report();
                report.source.address = Some(Ipv4Addr::from_bits(number).into());
                report
            };
            addresses.map(report).collect()
        };
        for hundred in 0..100 {
            baselines.advance(&some(hundred));
            assert!(baselines.pairs.len() <= PAIRS);
        }
        let growth = baselines.advance(&some(99));
        assert!(
            growth.iter().all(|counts| counts.packets == 0),
            "the newest are known"
        );
        let growth = baselines.advance(&some(0));
        assert!(
            growth.iter().all(|counts| counts.packets == 120),
            "the oldest are not"
        );
    }
}
