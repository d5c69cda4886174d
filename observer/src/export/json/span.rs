//! The object of a span. Times are text, as in OTLP's own JSON: they do not fit into a double.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::millis;
use crate::export::Value;
use crate::export::span::{Kind, Span};

#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    name: &'a str,
    kind: &'static str,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    duration_ms: f64,
    error: Option<&'a str>,
    attributes: BTreeMap<&'static str, Scalar<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Scalar<'a> {
    Text(&'a str),
    Integer(i64),
    Real(f64),
    Flag(bool),
}

impl<'a> Line<'a> {
    pub(super) fn of(span: &'a Span) -> Self {
        let attributes = span.attributes.iter().map(|attribute| {
            let value = match &attribute.value {
                Value::Text(text) => Scalar::Text(text),
                Value::Integer(number) => Scalar::Integer(*number),
                Value::Real(number) => Scalar::Real(*number),
                Value::Flag(flag) => Scalar::Flag(*flag),
            };
            (attribute.name, value)
        });
        Self {
            r#type: "span",
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_span_id: span.parent.as_ref().map(|parent| hex(parent)),
            name: &span.name,
            kind: match span.kind {
                Kind::Client => "client",
                Kind::Server => "server",
                Kind::Internal => "internal",
            },
            start_time_unix_nano: span.start.to_string(),
            end_time_unix_nano: span.end.to_string(),
            duration_ms: millis(span.end.saturating_sub(span.start)),
            error: span.error.as_deref(),
            attributes: attributes.collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing into a String cannot fail.
            let _written = write!(text, "{byte:02x}");
            text
        })
}
