//! A request of traces as JSON lines, one per span. Pure.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::value::{Malformed, hex, object, resource};

/// Bytes of a trace id.
const TRACE: usize = 16;
/// Bytes of a span id.
const SPAN: usize = 8;

/// One span. Times in nanoseconds since 1970, ids in hexadecimal digits.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    kind: &'static str,
    start_unix_nano: u64,
    end_unix_nano: u64,
    status: &'static str,
    message: String,
    attributes: Map<String, Value>,
    events: Vec<Event>,
    links: Vec<Link>,
    resource: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Event {
    name: String,
    time_unix_nano: u64,
    attributes: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Link {
    trace_id: String,
    span_id: String,
    attributes: Map<String, Value>,
}

/// The spans in the order of the request.
pub(crate) fn lines(request: &ExportTraceServiceRequest) -> Result<Vec<Line>, Malformed> {
    let mut lines = Vec::new();
    for group in &request.resource_spans {
        let resource = resource(group.resource.as_ref())?;
        for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
            lines.push(line(span, resource.clone())?);
        }
    }
    Ok(lines)
}

fn line(span: &Span, resource: Map<String, Value>) -> Result<Line, Malformed> {
    let parent = Some(&span.parent_span_id).filter(|id| !id.is_empty());
    let events = span.events.iter().map(|event| {
        Ok(Event {
            name: event.name.clone(),
            time_unix_nano: event.time_unix_nano,
            attributes: object(&event.attributes)?,
        })
    });
    let links = span.links.iter().map(|link| {
        Ok(Link {
            trace_id: id("linked trace id", &link.trace_id, TRACE)?,
            span_id: id("linked span id", &link.span_id, SPAN)?,
            attributes: object(&link.attributes)?,
        })
    });
    let status = span.status.clone().unwrap_or_default();
    Ok(Line {
        trace_id: id("trace id", &span.trace_id, TRACE)?,
        span_id: id("span id", &span.span_id, SPAN)?,
        parent_span_id: parent
            .map(|parent| id("parent span id", parent, SPAN))
            .transpose()?,
        name: span.name.clone(),
        kind: match span.kind() {
            SpanKind::Unspecified => "unspecified",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        },
        start_unix_nano: span.start_time_unix_nano,
        end_unix_nano: span.end_time_unix_nano,
        status: match status.code() {
            StatusCode::Unset => "unset",
            StatusCode::Ok => "ok",
            StatusCode::Error => "error",
        },
        message: status.message,
        attributes: object(&span.attributes)?,
        events: events.collect::<Result<_, _>>()?,
        links: links.collect::<Result<_, _>>()?,
        resource,
    })
}

fn id(what: &'static str, bytes: &[u8], wants: usize) -> Result<String, Malformed> {
    let has = bytes.len();
    if has != wants {
        return Err(Malformed::Id { what, has, wants });
    }
    Ok(hex(bytes))
}
