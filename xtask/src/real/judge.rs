//! Compares what observers gave with what a scenario says is to be seen. Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::scenario::{Cut, Expected, Finding};
use crate::reports::{Path, Reports};

/// By how much two medians may differ: a machine that runs a whole cluster is not idle, in ms...
const TRIP_SLACK: f64 = 3.0;
/// ...and TCP has transfers beside it, which echo requests wait for too, but not at the same moments.
const TRIP_SHARE: f64 = 0.2;
/// The class of what leaves the cluster.
const OUTSIDE: &str = "external";
/// Packets by which two counters may differ that are not read at the same moment.
const CUT_SLACK: u64 = 3;
/// Causes that the observer can name; others wait for what it does not look at yet.
const CAUSES: [&str; 4] = [
    "double_encapsulation",
    "relay_detour",
    "stale_mtu",
    "oversize_blackhole",
];

/// One thing that was to be seen, beside what was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Who gave it: `n1`.
    pub by: String,
    /// What it is about: `n1-a > n2-a` or `finding`.
    pub about: String,
    /// What was to be seen.
    pub expected: String,
    /// What was given.
    pub given: String,
    /// How the two compare.
    pub verdict: Verdict,
}

/// How what was given compares with what was to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same.
    Right,
    /// Something else.
    Wrong,
    /// What was to be seen, the observer does not look for: shown, not judged.
    Open,
}

impl Verdict {
    pub(super) fn of(is_right: bool) -> Self {
        if is_right { Self::Right } else { Self::Wrong }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            by,
            about,
            expected,
            given,
            verdict,
        } = self;
        let mark = match verdict {
            Verdict::Right => ' ',
            Verdict::Wrong => '!',
            Verdict::Open => '?',
        };
        write!(out, "{mark} {by:<4} {about:<20} {expected:<51} {given}")
    }
}

/// What one observer says of one path.
pub(super) fn path(by: &str, reports: &Reports, expected: &Expected) -> Judged {
    let (source, target) = (expected.source.to_string(), expected.target.to_string());
    let known = reports.path(&source, &target);
    let given = known.filter(|path| path.packets > 0).map(seen);
    // What leaves the cluster is counted together, whatever its addresses.
    let outside = reports
        .has_class(OUTSIDE)
        .then(|| format!("{OUTSIDE}, none"));
    let outside = outside.filter(|_| expected.observed == Some(OUTSIDE));
    let (wanted, given) = (
        in_words(expected),
        given.or(outside).unwrap_or("-".to_owned()),
    );
    Judged {
        by: by.to_owned(),
        about: format!("{} > {}", expected.from, expected.to),
        verdict: Verdict::of(wanted == given),
        expected: wanted,
        given,
    }
}

/// What one observer has found. Beside what is expected only that may be found which is true too.
pub(super) fn findings(by: &str, reports: &Reports, expected: Option<Finding>) -> Judged {
    let wanted = expected.map(|finding| name(finding.cause, finding.fix));
    let beside = expected.map_or(&[][..], |finding| finding.beside);
    let given: BTreeSet<String> = reports
        .findings()
        .iter()
        .map(|found| name(&found.cause, &found.fix.id))
        .collect();
    let is_true = |found: &String| {
        let mut beside = beside.iter();
        wanted.as_ref() == Some(found) || beside.any(|(cause, fix)| name(cause, fix) == *found)
    };
    let verdict = match (expected, &wanted) {
        _ if !given.iter().all(is_true) => Verdict::Wrong,
        (Some(finding), _) if !CAUSES.contains(&finding.cause) => Verdict::Open,
        (_, Some(wanted)) => Verdict::of(given.contains(wanted)),
        (_, None) => Verdict::Right,
    };
    let given: Vec<String> = given.into_iter().collect();
    Judged {
        by: by.to_owned(),
        about: "finding".to_owned(),
        expected: wanted.unwrap_or_else(|| "-".to_owned()),
        given: if given.is_empty() {
            "-".to_owned()
        } else {
            given.join(", ")
        },
        verdict,
    }
}

/// The median round trip of a path's TCP at the sender, beside that of echo requests in milliseconds.
pub(super) fn round_trip(
    by: &str,
    reports: &Reports,
    expected: &Expected,
    measured: f64,
) -> Judged {
    let (source, target) = (expected.source.to_string(), expected.target.to_string());
    let path = reports.path(&source, &target);
    let given = path.and_then(|path| path.rtt_ms.pod).map(|rtt| rtt.p50);
    let is_near = |given: f64| (given - measured).abs() <= TRIP_SLACK + measured * TRIP_SHARE;
    Judged {
        by: by.to_owned(),
        about: format!("rtt {} > {}", expected.from, expected.to),
        expected: format!("{measured:.2} ms by echo requests"),
        given: given.map_or("-".to_owned(), |given| format!("{given:.2} ms")),
        verdict: Verdict::of(given.is_some_and(is_near)),
    }
}

/// Packets that the observer of a node has seen cut before they left, beside what an oracle counted.
pub(super) fn cut(by: &str, reports: &Reports, pods: &[String], cut: Cut, counted: u64) -> Judged {
    let own = reports.paths().filter(|path| {
        let source = path.source.address.as_ref();
        source.is_some_and(|source| pods.contains(source))
    });
    let given: u64 = own
        .map(|path| match cut {
            Cut::Inner => path.fragments.inner,
            Cut::Vxlan => path.fragments.vxlan,
        })
        .sum();
    Judged {
        by: by.to_owned(),
        about: format!("{} cut", cut.name()),
        expected: format!("{counted} packets"),
        given: format!("{given} packets"),
        // The counters are read while the last packets pass.
        verdict: Verdict::of(given.abs_diff(counted) <= CUT_SLACK.max(counted / 50)),
    }
}

fn name(cause: &str, fix: &str) -> String {
    format!("{cause} -> {fix}")
}

/// What is said of a pair with a tunnel's proxy.
fn proxy(is_proxy: bool) -> &'static str {
    if is_proxy { ", proxy" } else { "" }
}

/// Class, stack, proxies and cut layers as they are to be.
fn in_words(expected: &Expected) -> String {
    let Some(class) = expected.observed else {
        return "-".to_owned();
    };
    let cut = match expected.cut {
        Some(Cut::Inner) => ", inner cut",
        Some(Cut::Vxlan) => ", vxlan cut",
        None => "",
    };
    format!(
        "{class}, {}{}{cut}",
        expected.encap,
        proxy(expected.is_proxy)
    )
}

/// The same as given.
fn seen(path: &Path) -> String {
    let class = path.class.as_deref().unwrap_or("-");
    let encap = path.encap.as_deref().unwrap_or("-");
    let inner = if path.fragments.inner > 0 {
        ", inner cut"
    } else {
        ""
    };
    let vxlan = if path.fragments.vxlan > 0 {
        ", vxlan cut"
    } else {
        ""
    };
    let proxy = proxy(path.proxy == Some(true));
    format!("{class}, {encap}{proxy}{inner}{vxlan}")
}

#[cfg(test)]
mod tests;
