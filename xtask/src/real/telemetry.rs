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

/// Classes of no pair: not decided yet, the node's own, and what pods send to the outside.
const BESIDES: [&str; 3] = ["unknown", "host", "external"];
/// How a class ends that says how tailscaled reaches the peer; before that is known it has no ending.
const MODES: [&str; 3] = ["-direct", "-derp", "-peer-relay"];

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
            ("spans", given),
            &carried(given, expected),
            &possible(expected),
            &tally(spans.map(class)),
        ),
        compare(
            ("metrics", given),
            &all(given, expected),
            &possible(expected),
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

/// Classes that anything in the scenario may have: those of its pairs, also before the relay mode or the
/// second layer is known, when a pair has the class that the tables lead to.
fn possible(expected: &[Expected]) -> BTreeSet<&'static str> {
    let observed = || expected.iter().filter_map(|path| path.observed);
    let without_mode = observed().filter_map(|class| {
        let mut modes = MODES.iter();
        modes.find_map(|mode| class.strip_suffix(mode))
    });
    let configured = expected.iter().map(|path| path.configured);
    observed()
        .chain(without_mode)
        .chain(configured)
        .chain(BESIDES)
        .collect()
}

/// Every class that is expected has to be there, and none that nothing in the scenario can have.
fn compare(
    (about, given): (&str, &Given),
    expected: &BTreeSet<&'static str>,
    possible: &BTreeSet<&'static str>,
    tally: &BTreeMap<String, usize>,
) -> Judged {
    let verdict = if fits(expected, possible, tally) {
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

fn fits(
    expected: &BTreeSet<&'static str>,
    possible: &BTreeSet<&'static str>,
    tally: &BTreeMap<String, usize>,
) -> bool {
    let all_there = expected.iter().all(|class| tally.contains_key(*class));
    all_there && tally.keys().all(|class| possible.contains(class.as_str()))
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use super::{fits, possible};
    use crate::real::scenario::{Expected, Outcome};

    #[test]
    fn classes_that_nothing_in_the_scenario_has_are_wrong() {
        let direct = "vxlan-tailscale-direct";
        let possible = possible(&[path("vxlan-tailscale", direct)]);
        let given = |classes: &[&str]| -> BTreeMap<String, usize> {
            let classes = classes.iter();
            classes.map(|class| ((*class).to_owned(), 1)).collect()
        };
        let cases = [
            (&[direct][..], true),
            (&[direct, "vxlan-tailscale", "unknown", "host"], true),
            (&["vxlan-tailscale"], false),
            (&[direct, "vxlan-tailscale-derp"], false),
            (&[direct, "vxlan-lan"], false),
            (&[direct, "none"], false),
        ];
        for (classes, is_right) in cases {
            let tally = given(classes);
            assert_eq!(
                fits(&[direct].into(), &possible, &tally),
                is_right,
                "{classes:?}"
            );
        }
    }

    #[test]
    fn before_the_second_layer_is_known_a_pair_has_the_class_of_the_tables() {
        let possible = possible(&[path("tailscale-subnet", "tailscale-over-overlay")]);
        assert!(possible.contains("tailscale-subnet"));
        assert!(!possible.contains("tailscale-subnet-direct"));
    }

    fn path(configured: &'static str, observed: &'static str) -> Expected {
        Expected {
            from: "n1-a".to_owned(),
            node: "n1".to_owned(),
            to: "n2-a".to_owned(),
            source: Ipv4Addr::new(10, 42, 1, 2),
            target: Ipv4Addr::new(10, 42, 2, 2),
            tunnel: None,
            via: None,
            intended: "vxlan-vmnet",
            configured,
            observed: Some(observed),
            encap: "-",
            outcome: Outcome::Reply,
            cut: None,
            is_proxy: false,
        }
    }
}
