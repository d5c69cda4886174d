//! The counts of one direction of a pair by class: when its packets take another road, they begin
//! to count anew, and what the former road carried stays as it was. Pure.

use std::collections::BTreeMap;

use observer_ebpf::abi::point::Point;

use crate::path::{Class, Evidence, PathReport};

use super::RowValue;

/// Rows of one direction by point.
pub(super) type Values = BTreeMap<Point, RowValue>;

/// Sweeps without a decision that the former class still stands for: a packet between two epochs
/// shows a part of its way in each.
const UNDECIDED: u8 = 1;

/// What became of a direction so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Classes {
    evidence: Option<Evidence>,
    undecided: u8,
    /// What the rows held when the present class began.
    began: Values,
    /// What the present class had carried before it came back.
    earlier: Values,
    latest: Option<PathReport>,
    former: BTreeMap<Class, Former>,
}

/// A class that packets bear no more.
#[derive(Clone, Debug, PartialEq)]
struct Former {
    values: Values,
    report: PathReport,
}

impl Classes {
    /// True if the packets of this sweep have shown their way: false keeps what was known.
    pub(super) fn decide(&mut self, found: &Evidence, total: &Values, recent: &Values) -> bool {
        let Some(held) = &self.evidence else {
            self.evidence = Some(found.clone());
            return true;
        };
        if found.class == held.class {
            self.undecided = 0;
            self.evidence = Some(found.clone());
            return true;
        }
        if found.class == Class::Unknown && self.undecided < UNDECIDED {
            self.undecided += 1;
            return false;
        }
        self.undecided = 0;
        // Packets that had shown no road yet went the first one that they show.
        if held.class != Class::Unknown || !self.former.is_empty() {
            self.turn(held.class, found.class, &difference(total, recent));
        }
        self.evidence = Some(found.clone());
        true
    }

    /// True if no road was shown so far.
    pub(super) fn is_open(&self) -> bool {
        self.evidence
            .as_ref()
            .is_none_or(|evidence| evidence.class == Class::Unknown && self.former.is_empty())
    }

    /// What the packets amount to; `None` before the first decision.
    pub(super) const fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// What the present class has carried, of `total`.
    pub(super) fn present(&self, total: &Values) -> Values {
        sum(&self.earlier, &difference(total, &self.began))
    }

    /// Keeps the present class's report, in case it becomes a former one.
    pub(super) fn keep(&mut self, report: &PathReport) {
        let mut report = report.clone();
        report.oversize = None;
        for point in report.points.values_mut() {
            point.rtt_samples = Vec::new();
        }
        self.latest = Some(report);
    }

    /// The last reports of all former classes, a sweep older than before.
    pub(super) fn former(&mut self) -> impl Iterator<Item = PathReport> {
        self.former.values_mut().map(|former| {
            former.report.idle = former.report.idle.saturating_add(1);
            former.report.clone()
        })
    }

    /// Ends a class with what the rows held when its last packet was counted.
    fn turn(&mut self, from: Class, to: Class, before: &Values) {
        let values = self.present(before);
        if let Some(latest) = self.latest.take() {
            let report = PathReport {
                superseded: true,
                ..latest
            };
            self.former.insert(from, Former { values, report });
        }
        let back = self.former.remove(&to);
        self.earlier = back.map(|former| former.values).unwrap_or_default();
        self.began = before.clone();
    }
}

fn difference(all: &Values, part: &Values) -> Values {
    let less = all.iter().map(|(&point, value)| {
        let rest = part.get(&point);
        let rest = rest.map_or_else(|| value.clone(), |part| value.since(part));
        (point, rest)
    });
    less.collect()
}

fn sum(one: &Values, other: &Values) -> Values {
    let mut total = one.clone();
    for (&point, value) in other {
        total.entry(point).or_default().join(value);
    }
    total.retain(|_, value| value.is_used());
    total
}

#[cfg(test)]
mod tests;
