//! What an observer sent by OTLP beside what its node's paths should show there: spans and metric
//! points by class. Pure, apart from reading the two files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::judge::{Judged, Verdict};
use super::scenario::{Expected, Outcome};
use super::watch::Given;
use crate::sink::arrived::{CLASS, Point, Span, read};

/// The metric that counts packets by class.
const PACKETS: &str = "netpath.packets";

/// Spans and metric points of one observer.
pub(super) fn judge(given: &Given, expected: &[Expected]) -> [Judged; 2] {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let spans = read::<Span>(&text(&given.files.spans)).read;
    let points = read::<Point>(&text(&given.files.metrics)).read;
    let spans = spans.iter().map(|span| span.attributes.get(CLASS));
    let points = points.iter().filter(|point| point.name == PACKETS);
    let points = points.map(|point| point.attributes.get(CLASS));
    let class = |value: Option<&serde_json::Value>| {
        let class = value.and_then(serde_json::Value::as_str);
        class.unwrap_or("none").to_owned()
    };
    [
        compare(
            given,
            "spans",
            &carried(given, expected),
            &tally(spans.map(class)),
        ),
        compare(
            given,
            "metrics",
            &all(given, expected),
            &tally(points.map(class)),
        ),
    ]
}

/// Classes of the node's own TCP: a span is a round trip of its. What two pods have in a tunnel of
/// their own is not.
fn carried(given: &Given, expected: &[Expected]) -> BTreeSet<&'static str> {
    let own = expected.iter().filter(|path| path.node == given.node);
    let timed = own.filter(|path| path.outcome == Outcome::Reply && path.tunnel.is_none());
    timed.filter_map(|path| path.observed).collect()
}

/// Classes of all that the node sends.
fn all(given: &Given, expected: &[Expected]) -> BTreeSet<&'static str> {
    let own = expected.iter().filter(|path| path.node == given.node);
    own.filter_map(|path| path.observed).collect()
}

fn tally(classes: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for class in classes {
        *tally.entry(class).or_default() += 1;
    }
    tally
}

/// Every class that is expected has to be there; others may be, from before the way was known.
fn compare(
    given: &Given,
    about: &str,
    expected: &BTreeSet<&'static str>,
    tally: &BTreeMap<String, usize>,
) -> Judged {
    let has = |class: &&str| tally.contains_key(*class);
    let verdict = if expected.iter().all(has) {
        Verdict::Right
    } else {
        Verdict::Wrong
    };
    let words: Vec<String> = tally
        .iter()
        .map(|(class, count)| format!("{class} {count}"))
        .collect();
    let expected: Vec<&str> = expected.iter().copied().collect();
    Judged {
        by: given.node.clone(),
        about: about.to_owned(),
        expected: or_none(expected.join(", ")),
        given: or_none(words.join(", ")),
        verdict,
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}
