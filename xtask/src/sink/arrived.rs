//! Spans and data points as the receiver wrote them down, one JSON object per line, and the counts
//! that a table shows. What a line does not say is empty; a line that cannot be read is counted.
//! Pure and self-contained: the observer's tests include this file by path.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Observed path class; on spans and points.
pub const CLASS: &str = "netpath.class";
/// Encapsulation stack; on spans.
pub const ENCAP: &str = "netpath.encap";
/// How Tailscale carries it; on spans and points.
pub const TAILSCALE_MODE: &str = "netpath.tailscale.mode";
/// 1 where no other agent can add a side to the trace; on spans.
pub const SIDES: &str = "netpath.sides";
/// `no_reply` on the root of a packet that was given up.
pub const OUTCOME: &str = "netpath.outcome";
/// Node at the other end; on client spans.
pub const SERVICE_PEER_NAME: &str = "service.peer.name";
/// Node that the agent runs on; of the resource.
pub const NODE: &str = "k8s.node.name";

/// A span. Times in nanoseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Span {
    /// Hexadecimal digits.
    pub trace_id: String,
    /// Hexadecimal digits.
    #[serde(rename = "span_id")]
    pub id: String,
    /// The parent's id; none for a root.
    #[serde(rename = "parent_span_id")]
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// `client`, `server`, `internal`, `producer`, `consumer` or `unspecified`.
    pub kind: String,
    /// Begin.
    pub start_unix_nano: u64,
    /// End.
    pub end_unix_nano: u64,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// What the status says.
    pub message: String,
    /// By name.
    pub attributes: Map<String, Value>,
    /// What happened meanwhile.
    pub events: Vec<Event>,
    /// Spans that it points to.
    pub links: Vec<Link>,
    /// Attributes of the agent that sent it.
    pub resource: Map<String, Value>,
}

/// An event of a span.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// When, in nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// By name.
    pub attributes: Map<String, Value>,
}

/// A span that another one points to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Hexadecimal digits.
    pub trace_id: String,
    /// Hexadecimal digits.
    pub span_id: String,
    /// By name.
    pub attributes: Map<String, Value>,
}

/// A data point of a metric. Times in nanoseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Point {
    /// The metric's name.
    pub name: String,
    /// The metric's unit.
    pub unit: String,
    /// `gauge`, `counter`, `sum`, `histogram`, `exponential_histogram` or `summary`.
    pub kind: String,
    /// `cumulative` or `delta`, where the kind has one.
    pub temporality: Option<String>,
    /// Begin of what it sums up; 0 where nothing is summed up.
    pub start_unix_nano: u64,
    /// When it was read.
    pub time_unix_nano: u64,
    /// By name.
    pub attributes: Map<String, Value>,
    /// The number of a gauge, counter or sum.
    pub value: Option<f64>,
    /// How many values a histogram or summary has.
    pub count: Option<u64>,
    /// Their sum, in the metric's unit.
    pub sum: Option<f64>,
    /// Attributes of the agent that sent it.
    pub resource: Map<String, Value>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines<T> {
    /// In the order of their arrival.
    pub read: Vec<T>,
    /// Lines that are no such object, such as a last one that is not written to its end.
    pub unreadable: usize,
}

/// Reads a file of [`Span`]s or [`Point`]s.
#[must_use]
pub fn read<T: DeserializeOwned>(text: &str) -> Lines<T> {
    let mut lines = Lines {
        read: Vec::new(),
        unreadable: 0,
    };
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(one) => lines.read.push(one),
            Err(_) => lines.unreadable += 1,
        }
    }
    lines
}

impl Span {
    /// An attribute as text; none if it is not there.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.attributes.get(attribute).map(text)
    }

    /// The node whose agent sent it.
    #[must_use]
    pub fn node(&self) -> Option<String> {
        self.resource.get(NODE).map(text)
    }
}

impl Point {
    /// An attribute as text; none if it is not there.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.attributes.get(attribute).map(text)
    }
}

/// How many spans have which value of an attribute; spans without it are left out.
#[must_use]
pub fn spans_by(spans: &[Span], attribute: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for value in spans.iter().filter_map(|span| span.text(attribute)) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

/// How many traces there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traces {
    /// All of them.
    pub all: usize,
    /// Those to which the agents of two nodes or more sent spans.
    pub of_two_nodes: usize,
}

/// Counts the traces of all nodes' spans together.
#[must_use]
pub fn traces(spans: &[Span]) -> Traces {
    let mut nodes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for span in spans {
        nodes.entry(&span.trace_id).or_default().extend(span.node());
    }
    Traces {
        all: nodes.len(),
        of_two_nodes: nodes.values().filter(|nodes| nodes.len() > 1).count(),
    }
}

/// The data points of each metric, in the order of their arrival.
#[must_use]
pub fn points_by_name(points: &[Point]) -> BTreeMap<&str, Vec<&Point>> {
    let mut named: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
    for point in points {
        named.entry(&point.name).or_default().push(point);
    }
    named
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
