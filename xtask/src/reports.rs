//! The JSON lines of one agent, collected: the latest object of every path, every finding once.
//! What it does not know it keeps as text or leaves out; it never refuses a line. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Round trips at one place, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Round trips by observation point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RoundTrips {
    pub(crate) pod: Option<Quantiles>,
    pub(crate) bridge: Option<Quantiles>,
    pub(crate) overlay: Option<Quantiles>,
    pub(crate) tunnel: Option<Quantiles>,
    pub(crate) underlay: Option<Quantiles>,
}

/// The narrowest device of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Mtu {
    pub(crate) effective: u32,
    pub(crate) bottleneck: String,
}

/// Fragments by the layer that was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Fragments {
    pub(crate) inner: u64,
    pub(crate) vxlan: u64,
    pub(crate) wireguard: Option<u64>,
}

/// What passed one observation point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Passed {
    pub(crate) packets: u64,
}

/// One end of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct End {
    /// Its node, where known.
    pub(crate) node: Option<String>,
    pub(crate) address: Option<String>,
}

/// What an agent says of an ordered pair.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Path {
    pub(crate) source: End,
    pub(crate) destination: End,
    pub(crate) class: Option<String>,
    /// False for a class that the pair's packets have left.
    pub(crate) present: Option<bool>,
    pub(crate) encap: Option<String>,
    /// An end is a proxy of Tailscale in a pod.
    pub(crate) proxy: Option<bool>,
    /// How Tailscale carries it.
    pub(crate) tailscale_mode: Option<String>,
    pub(crate) mtu: Option<Mtu>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// By observation point.
    pub(crate) points: BTreeMap<String, Passed>,
    pub(crate) fragments: Fragments,
    pub(crate) rtt_ms: RoundTrips,
    /// The object as it came.
    #[serde(skip)]
    pub(crate) raw: Value,
}

/// Cause, evidence and the one fix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) cause: String,
    pub(crate) subject: Subject,
    pub(crate) confidence: f64,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) fix: Fix,
}

/// What a finding is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Subject {
    pub(crate) nodes: Vec<String>,
}

/// One fact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Evidence {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// The one change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Fix {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) side_effects: Vec<String>,
}

/// Everything one agent has said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reports {
    paths: BTreeMap<(String, String), Path>,
    /// Packets by class of traffic that is counted together.
    collected: BTreeMap<String, u64>,
    findings: Vec<Finding>,
    sweeps: u64,
    words: String,
    not_captured: u64,
}

impl Reports {
    /// What the document of a replay says.
    pub(crate) fn of_document(text: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Value = serde_json::from_slice(text)?;
        let mut reports = Self::default();
        let paths = document.get("paths").and_then(Value::as_array);
        for path in paths.into_iter().flatten() {
            reports.take_path(path.clone());
        }
        let lost = document.pointer("/ledger/not_captured");
        let lost = lost.and_then(Value::as_object).into_iter().flatten();
        reports.not_captured = lost.filter_map(|(_, count)| count.as_u64()).sum();
        Ok(reports)
    }

    /// What the agents of several nodes say: of each pair what the one at its source does, else any, with as
    /// many fragments as any of them saw; each sees those at its own devices.
    pub(crate) fn joined(all: &[&Self]) -> Self {
        let mut joined = Self::default();
        for (pair, path) in all.iter().flat_map(|reports| &reports.paths) {
            let known = joined.paths.entry(pair.clone()).or_default();
            let (one, other) = (known.fragments, path.fragments);
            if path.source.node.is_some() || known.packets == 0 {
                *known = path.clone();
            }
            known.fragments.inner = one.inner.max(other.inner);
            known.fragments.vxlan = one.vxlan.max(other.vxlan);
        }
        for (class, packets) in all.iter().flat_map(|reports| &reports.collected) {
            *joined.collected.entry(class.clone()).or_default() += packets;
        }
        joined
    }

    /// Frames that a replayed capture does not hold, by its recorder's own count.
    pub(crate) const fn not_captured(&self) -> u64 {
        self.not_captured
    }

    /// The ordered pairs of addresses of all paths.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.paths.keys();
        pairs.map(|(source, destination)| (source.as_str(), destination.as_str()))
    }

    /// Takes one line of the agent's output, standard error included.
    pub(crate) fn take(&mut self, line: &str) {
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            self.take_words(&plain(line));
            return;
        };
        match value.get("type").and_then(Value::as_str) {
            Some("path") => self.take_path(value),
            Some("finding") => self.take_finding(value),
            // The ledger is the last line of every sweep.
            Some("ledger") => self.sweeps += 1,
            Some(_) | None => {}
        }
    }

    /// The latest line counts, but what follows an error only explains it.
    fn take_words(&mut self, words: &str) {
        let is_error = |text: &str| text.starts_with("error:") || text.starts_with("observer:");
        if !words.is_empty() && (is_error(words) || !is_error(&self.words)) {
            words.clone_into(&mut self.words);
        }
    }

    fn take_path(&mut self, raw: Value) {
        let Ok(path) = Path::deserialize(&raw) else {
            return;
        };
        let (Some(source), Some(destination)) = (
            path.source.address.clone(),
            path.destination.address.clone(),
        ) else {
            if let Some(class) = path.class.filter(|_| path.packets > 0) {
                self.collected.insert(class, path.packets);
            }
            return;
        };
        if path.present == Some(false) {
            return;
        }
        let known = self.paths.entry((source, destination)).or_default();
        // An idle sweep has seen no packets and so no class; what it was stays true.
        if path.class.is_some() || known.class.is_none() {
            *known = Path { raw, ..path };
        }
    }

    fn take_finding(&mut self, raw: Value) {
        let Ok(finding) = Finding::deserialize(raw) else {
            return;
        };
        let same =
            |known: &&mut Finding| known.cause == finding.cause && known.subject == finding.subject;
        match self.findings.iter_mut().find(same) {
            Some(known) => *known = finding,
            None => self.findings.push(finding),
        }
    }

    /// The latest object of an ordered pair of addresses.
    pub(crate) fn path(&self, source: &str, destination: &str) -> Option<&Path> {
        self.paths.get(&(source.to_owned(), destination.to_owned()))
    }

    /// Whether traffic of this class was counted that has no addresses.
    pub(crate) fn has_class(&self, class: &str) -> bool {
        self.collected.contains_key(class)
    }

    /// Packets of this class that have no addresses.
    pub(crate) fn collected(&self, class: &str) -> u64 {
        self.collected.get(class).copied().unwrap_or_default()
    }

    /// Every path that packets take, the collected traffic without addresses left out.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.values()
    }

    /// Every finding, in the order in which they came up.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many sweeps were reported.
    pub(crate) fn sweeps(&self) -> u64 {
        self.sweeps
    }

    /// Its last error, else its last line that was no report.
    pub(crate) fn words(&self) -> &str {
        if self.words.is_empty() {
            "it said nothing"
        } else {
            &self.words
        }
    }
}

/// The line without colours and other orders to a terminal.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.trim().chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // An escape sequence ends with its first letter.
            letters.find(char::is_ascii_alphabetic);
        } else if !letter.is_control() {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests;
