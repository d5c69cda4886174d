//! Plain values as OTLP messages. No network, no counting.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as proto;

use super::span::{Kind, Span};
use super::{Attribute, Value};

pub(super) fn attribute(attribute: &Attribute) -> KeyValue {
    let value = match &attribute.value {
        Value::Text(text) => any_value::Value::StringValue(text.clone().into_owned()),
        Value::Integer(number) => any_value::Value::IntValue(*number),
        Value::Real(number) => any_value::Value::DoubleValue(*number),
        Value::Flag(flag) => any_value::Value::BoolValue(*flag),
    };
    key_value(attribute.name, value)
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    key_value(key, any_value::Value::StringValue(value.to_owned()))
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn span(span: &Span) -> proto::Span {
    let kind = match span.kind {
        Kind::Client => proto::span::SpanKind::Client,
        Kind::Server => proto::span::SpanKind::Server,
        Kind::Internal => proto::span::SpanKind::Internal,
    };
    proto::Span {
        trace_id: span.trace_id.to_vec(),
        span_id: span.span_id.to_vec(),
        parent_span_id: span.parent.map_or_else(Vec::new, |parent| parent.to_vec()),
        name: span.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        attributes: span.attributes.iter().map(attribute).collect(),
        status: span.error.as_ref().map(|error| proto::Status {
            message: error.clone().into_owned(),
            code: proto::status::StatusCode::Error.into(),
        }),
        ..proto::Span::default()
    }
}

fn key_value(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
