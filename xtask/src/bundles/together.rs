//! What the bundles of all nodes say in one replay, beside what the observers of the nodes said live: a pair
//! is what the observer at its source said, and its round trips are traces with a side of each node. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Row;
use crate::reports::Reports;

/// Rows of all pairs. `live` holds the reports of all nodes' observers.
pub(super) fn compare(
    live: &[&Reports],
    document: &Value,
    again: &Reports,
    name: impl Fn(&str) -> String,
) -> Vec<Row> {
    let mut rows = super::compare(&Reports::joined(live), again, &name);
    let traces = traces(document);
    for pair in again
        .pairs()
        .filter(|(source, destination)| source < destination)
    {
        let Some(path) = again.path(pair.0, pair.1) else {
            continue;
        };
        let [from, to] = [&path.source, &path.destination].map(|end| end.node.as_deref());
        let has_samples = path.rtt_ms.pod.is_some_and(|rtt| rtt.count > 0);
        let is_between_nodes = from.is_some() && to.is_some() && from != to;
        if !has_samples || !is_between_nodes {
            continue;
        }
        let Counted { both, all } = traces.get(&ends(pair)).copied().unwrap_or_default();
        let [source, destination] = [pair.0, pair.1].map(&name);
        rows.push(Row {
            about: format!("traces {source} = {destination}"),
            live: "a quarter or more of both nodes".to_owned(),
            again: format!("{both} of {all} of both nodes"),
            // A round trip may be ambiguous, or at an end of the time, on one node alone.
            is_same: both * 4 >= all && both > 0,
        });
    }
    rows
}

/// Traces of a pair, of data in either direction.
#[derive(Clone, Copy, Default)]
struct Counted {
    /// Those with a root of one node and its server's side of the other one.
    both: usize,
    all: usize,
}

/// Both addresses, in whichever order they come.
fn ends((one, other): (&str, &str)) -> (String, String) {
    (one.min(other).to_owned(), one.max(other).to_owned())
}

/// Traces by the ends of their data. One of which only the server's side is there counts too.
fn traces(document: &Value) -> BTreeMap<(String, String), Counted> {
    let spans = document.get("spans").and_then(Value::as_array);
    let mut sides: BTreeMap<&str, Vec<Side<'_>>> = BTreeMap::new();
    for span in spans.into_iter().flatten().filter_map(Side::of) {
        sides.entry(span.trace).or_default().push(span);
    }
    let mut traces: BTreeMap<_, Counted> = BTreeMap::new();
    for sides in sides.values() {
        let has_both = sides.iter().any(|root| {
            let is_its = |span: &Side<'_>| {
                span.kind == "server"
                    && span.parent == Some(root.id)
                    && span.destination_node.is_some()
                    && span.destination_node != root.source_node
            };
            root.kind == "client" && root.source_node.is_some() && sides.iter().any(is_its)
        });
        if let Some(side) = sides.first() {
            let counted = traces.entry(ends(side.ends)).or_default();
            counted.all += 1;
            counted.both += usize::from(has_both);
        }
    }
    traces
}

/// A side of a trace: a root span of a node.
struct Side<'a> {
    trace: &'a str,
    id: &'a str,
    parent: Option<&'a str>,
    kind: &'a str,
    ends: (&'a str, &'a str),
    source_node: Option<&'a str>,
    destination_node: Option<&'a str>,
}

impl<'a> Side<'a> {
    fn of(span: &'a Value) -> Option<Self> {
        let text = |name: &str| span.get(name)?.as_str();
        let attribute = |name: &str| span.get("attributes")?.get(name)?.as_str();
        Some(Self {
            trace: text("trace_id")?,
            id: text("span_id")?,
            parent: text("parent_span_id"),
            kind: text("kind").filter(|kind| *kind != "internal")?,
            ends: (
                attribute("source.address").unwrap_or_default(),
                attribute("destination.address").unwrap_or_default(),
            ),
            source_node: attribute("netpath.source.node"),
            destination_node: attribute("netpath.destination.node"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(node: Option<&str>, cut: u64) -> Value {
        json!({
            "type": "path", "class": "vxlan-lan", "encap": "vxlan", "packets": 30,
            "source": {"node": node, "address": "a"},
            "destination": {"node": if node.is_some() { None } else { Some("n2") }, "address": "b"},
            "fragments": {"inner": cut, "vxlan": 0},
        })
    }

    fn live(node: Option<&str>, cut: u64) -> Reports {
        let mut reports = Reports::default();
        reports.take(&path(node, cut).to_string());
        reports
    }

    fn span(kind: &str, node: &str, (id, parent): (&str, Option<&str>)) -> Value {
        let end = if kind == "client" {
            "source"
        } else {
            "destination"
        };
        let mut span = json!({"trace_id": "t", "span_id": id, "parent_span_id": parent, "kind": kind,
            "attributes": {"source.address": "a", "destination.address": "b"}});
        span["attributes"][format!("netpath.{end}.node")] = node.into();
        span
    }

    /// Whether each row of two nodes' bundles is right.
    fn same(cut: u64, spans: &[Value]) -> Vec<bool> {
        let mut path = path(Some("n1"), cut);
        path["destination"]["node"] = "n2".into();
        path["rtt_ms"] = json!({"pod": {"count": 9, "p50": 1.0, "p99": 1.0}});
        let document = json!({"paths": [path], "spans": spans});
        let again = Reports::of_document(document.to_string().as_bytes()).expect("a document");
        let live = [live(None, 7), live(Some("n1"), 5)];
        let rows = compare(&[&live[0], &live[1]], &document, &again, str::to_owned);
        rows.iter().skip(1).map(|row| row.is_same).collect()
    }

    #[test]
    fn a_pair_is_what_its_source_said_and_has_a_trace_of_both_nodes() {
        let root = span("client", "n1", ("r", None));
        let served = span("server", "n2", ("s", Some("r")));
        let both = [root.clone(), served];
        assert_eq!(same(7, &both), [true, true]);
        assert_eq!(same(5, &both), [false, true], "the receiver saw more cut");
        assert_eq!(same(7, std::slice::from_ref(&root)), [true, false]);
        for other in [
            span("server", "n2", ("s", Some("x"))),
            span("server", "n1", ("s", Some("r"))),
            span("client", "n2", ("s", Some("r"))),
        ] {
            assert_eq!(same(7, &[root.clone(), other]), [true, false]);
        }
    }
}
