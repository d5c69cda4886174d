//! Lines of JSON as `bundle.md` lays them down: one object per path, finding, span and ledger.
//! What is not known is null. Nothing is printed here, and no control character leaves unescaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::Ledger;
use super::span::Span;
use crate::diagnosis::Finding;
use crate::path::{PathReport, WireReport};

mod fields;
mod finding;
mod path;
mod span;
mod wire;

pub use fields::{Field, path_fields, wire_fields};
pub(super) use path::{TUNNELS, UNDERLAYS, rtt};

/// Why a line could not be made; no value of this program does that.
pub type JsonError = serde_json::Error;

/// The line of a path.
pub fn path_line(report: &PathReport) -> Result<String, JsonError> {
    line(&path::Line::of(report))
}

/// The line of a finding.
pub fn finding_line(finding: &Finding) -> Result<String, JsonError> {
    line(&finding::Line::of(finding))
}

/// The line of an underlay that is observed before the stack.
pub fn wire_line(report: &WireReport) -> Result<String, JsonError> {
    line(&wire::Line::of(report))
}

/// The line of a span.
pub fn span_line(span: &Span) -> Result<String, JsonError> {
    line(&span::Line::of(span))
}

/// The line of the ledger: entries with reasons as objects.
pub fn ledger_line(ledger: &Ledger) -> Result<String, JsonError> {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'static str,
        #[serde(flatten)]
        entries: BTreeMap<&'a str, Entry<'a>>,
    }
    line(&Line {
        r#type: "ledger",
        entries: entries(ledger),
    })
}

/// The whole of a replay as one document. Findings are null: nothing looks for them in a replay;
/// spans are of a few round trips.
pub fn document(
    paths: &[PathReport],
    spans: &[Span],
    ledger: &Ledger,
) -> Result<String, JsonError> {
    #[derive(Serialize)]
    struct Document<'a> {
        version: u32,
        paths: Vec<path::Line<'a>>,
        findings: Option<()>,
        spans: Vec<span::Line<'a>>,
        ledger: BTreeMap<&'a str, Entry<'a>>,
    }
    line(&Document {
        version: 1,
        paths: paths.iter().map(path::Line::of).collect(),
        findings: None,
        spans: spans.iter().map(span::Line::of).collect(),
        ledger: entries(ledger),
    })
}

/// An entry of the ledger.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Count(u64),
    Reasons(BTreeMap<&'a str, u64>),
}

fn entries(ledger: &Ledger) -> BTreeMap<&str, Entry<'_>> {
    let mut entries = BTreeMap::new();
    for (entry, &count) in ledger {
        let Some((name, reason)) = entry.split_once('.') else {
            entries.insert(entry.as_str(), Entry::Count(count));
            continue;
        };
        let group = entries.entry(name);
        let group = group.or_insert_with(|| Entry::Reasons(BTreeMap::new()));
        if let Entry::Reasons(reasons) = group {
            reasons.insert(reason, count);
        }
    }
    entries
}

/// One line; the characters that JSON lets pass but a terminal obeys are escaped too, and what opens a tag
/// of HTML.
fn line(value: &impl Serialize) -> Result<String, JsonError> {
    let text = serde_json::to_string(value)?;
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '<' || super::table::is_unprintable(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing into a String cannot fail.
                let _written = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(character);
        }
    }
    Ok(line)
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ns, 104 days")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests;
