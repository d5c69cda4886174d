//! Attributes of OTLP as JSON: one flat object, each name once. Pure.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Map, Value};

/// Why a request is not written down.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Names of one list of attributes are unique (OTLP, `KeyValue`).
    #[error("attribute `{0}` stands twice in one list")]
    Repeated(String),
    /// Ids have one length (OTLP, `Span`).
    #[error("a {what} of {has} bytes; it has {wants}")]
    Id {
        what: &'static str,
        has: usize,
        wants: usize,
    },
    /// A metric without data, or a point without a value.
    #[error("metric `{0}` has no data")]
    Empty(String),
}

/// The attributes as an object.
pub(crate) fn object(attributes: &[KeyValue]) -> Result<Map<String, Value>, Malformed> {
    let mut object = Map::new();
    for one in attributes {
        let value = one.value.as_ref().map_or(Ok(Value::Null), json)?;
        if object.insert(one.key.clone(), value).is_some() {
            return Err(Malformed::Repeated(one.key.clone()));
        }
    }
    Ok(object)
}

/// The attributes of a resource.
pub(crate) fn resource(resource: Option<&Resource>) -> Result<Map<String, Value>, Malformed> {
    resource.map_or(Ok(Map::new()), |resource| object(&resource.attributes))
}

fn json(any: &AnyValue) -> Result<Value, Malformed> {
    Ok(match any.value.as_ref() {
        // An index into a table that only profiles have counts as no value.
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(truth)) => (*truth).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::BytesValue(bytes)) => hex(bytes).into(),
        Some(Any::ArrayValue(array)) => {
            let values: Result<Vec<_>, _> = array.values.iter().map(json).collect();
            values?.into()
        }
        Some(Any::KvlistValue(list)) => object(&list.values)?.into(),
    })
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}
