//! Requests that the agent never sends: every kind of value and metric, and what is refused.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use serde_json::json;
use tonic::Code;

use super::arrived::{self, read};
use super::sink::{Folder, Sink};

#[tokio::test]
async fn every_kind_of_value_and_the_events_and_links_are_written() {
    let folder = Folder::new("values");
    let sink = Sink::start(&folder.file("spans"), &folder.file("metrics"));
    let nested = vec![pair("in", Value::IntValue(-3))];
    let attributes = vec![
        pair("true", Value::BoolValue(true)),
        pair("bytes", Value::BytesValue(vec![0x0f, 0xa0])),
        pair(
            "list",
            Value::ArrayValue(ArrayValue {
                values: vec![any(Value::IntValue(1)), AnyValue::default()],
            }),
        ),
        pair("map", Value::KvlistValue(KeyValueList { values: nested })),
        KeyValue {
            key: "none".to_owned(),
            ..KeyValue::default()
        },
    ];
    let event = Event {
        name: "seen".to_owned(),
        time_unix_nano: 9,
        attributes: vec![pair("at", Value::DoubleValue(0.25))],
        ..Event::default()
    };
    let link = Link {
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        ..Link::default()
    };
    let span = Span {
        attributes,
        events: vec![event],
        links: vec![link],
        ..span()
    };
    assert_eq!(send(&sink, span).await, Ok(()));
    let lines = read::<arrived::Span>(&folder.text("spans"));
    let got = &lines.read[1];
    let attributes = serde_json::Value::Object(got.attributes.clone());
    assert_eq!(
        attributes,
        json!({"true": true, "bytes": "0fa0", "list": [1, null], "map": {"in": -3}, "none": null})
    );
    assert_eq!(
        (got.events[0].name.as_str(), got.events[0].time_unix_nano),
        ("seen", 9)
    );
    assert_eq!(got.events[0].attributes["at"], 0.25);
    assert_eq!(
        (got.links[0].trace_id.clone(), got.links[0].span_id.clone()),
        ("ab".repeat(16), "cd".repeat(8))
    );
    assert!(got.resource.is_empty(), "a request without a resource");
}

#[tokio::test]
async fn a_request_against_the_protocol_is_refused_whole_and_counted() {
    let folder = Folder::new("refused");
    let sink = Sink::start(&folder.file("spans"), &folder.file("metrics"));
    let twice = vec![pair("a", Value::IntValue(1)), pair("a", Value::IntValue(2))];
    let link = Link {
        trace_id: vec![1; 16],
        ..Link::default()
    };
    let spans = [
        (
            Span {
                attributes: twice,
                ..span()
            },
            "attribute `a` stands twice",
        ),
        (
            Span {
                trace_id: vec![1; 15],
                ..span()
            },
            "trace id of 15 bytes",
        ),
        (
            Span {
                span_id: vec![],
                ..span()
            },
            "span id of 0 bytes",
        ),
        (
            Span {
                parent_span_id: vec![1; 7],
                ..span()
            },
            "parent span id of 7 bytes",
        ),
        (
            Span {
                links: vec![link],
                ..span()
            },
            "linked span id of 0 bytes",
        ),
    ];
    for (span, why) in spans {
        let (code, message) = send(&sink, span).await.expect_err(why);
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains(why), "{message}");
    }
    for data in [None, Some(sum(vec![NumberDataPoint::default()]))] {
        let (code, message) = publish(&sink, vec![data]).await.expect_err("no value");
        assert_eq!(
            (code, &*message),
            (Code::InvalidArgument, "metric `m0` has no data")
        );
    }
    let (well, words) = sink.terminate();
    assert!(
        well && words.contains("0 spans, 0 points, 7 requests, 7 refused"),
        "{words}"
    );
    assert_eq!(folder.text("spans") + &folder.text("metrics"), "");
}

#[tokio::test]
async fn every_kind_of_metric_has_its_value_or_its_count_and_sum() {
    let folder = Folder::new("kinds");
    let sink = Sink::start(&folder.file("spans"), &folder.file("metrics"));
    let value = number_data_point::Value::AsDouble(2.5);
    let number = NumberDataPoint {
        value: Some(value),
        time_unix_nano: 3,
        ..NumberDataPoint::default()
    };
    let histogram = HistogramDataPoint {
        count: 4,
        sum: Some(0.5),
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        count: 5,
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        count: 6,
        sum: 1.5,
        ..SummaryDataPoint::default()
    };
    let data = vec![
        Some(sum(vec![number.clone(), number])),
        Some(Data::Histogram(Histogram {
            data_points: vec![histogram],
            aggregation_temporality: 1,
        })),
        Some(Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            aggregation_temporality: 2,
        })),
        Some(Data::Summary(Summary {
            data_points: vec![summary],
        })),
    ];
    assert_eq!(publish(&sink, data).await, Ok(()));
    let got = read::<arrived::Point>(&folder.text("metrics")).read;
    let told: Vec<_> = got
        .iter()
        .map(|point| {
            (
                &*point.name,
                &*point.kind,
                point.temporality.as_deref(),
                point.value,
                point.count,
                point.sum,
            )
        })
        .collect();
    let number = ("m0", "sum", Some("unspecified"), Some(2.5), None, None);
    assert_eq!(
        told,
        [
            number,
            number,
            ("m1", "histogram", Some("delta"), None, Some(4), Some(0.5)),
            (
                "m2",
                "exponential_histogram",
                Some("cumulative"),
                None,
                Some(5),
                None
            ),
            ("m3", "summary", None, None, Some(6), Some(1.5)),
        ]
    );
    let (_, words) = sink.terminate();
    assert!(
        words.contains("0 spans, 5 points, 1 requests, 0 refused"),
        "{words}"
    );
}

#[tokio::test]
async fn what_a_file_has_already_stays_in_it() {
    let folder = Folder::new("append");
    std::fs::write(folder.file("spans"), "{\"name\":\"earlier\"}\n").expect("write");
    let sink = Sink::start(&folder.file("spans"), &folder.file("metrics"));
    assert_eq!(send(&sink, span()).await, Ok(()));
    let read = read::<arrived::Span>(&folder.text("spans")).read;
    assert_eq!((read.len(), read[0].name.as_str()), (3, "earlier"));
}

fn span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..Span::default()
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn sum(data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum {
        data_points,
        ..Sum::default()
    })
}

/// Sends one span behind one that is right; the code and words of a refusal.
async fn send(sink: &Sink, span: Span) -> Result<(), (Code, String)> {
    let spans = vec![self::span(), span];
    let scope_spans = vec![ScopeSpans {
        spans,
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![ResourceSpans {
        scope_spans,
        ..ResourceSpans::default()
    }];
    let client = TraceServiceClient::connect(sink.endpoint.clone()).await;
    let answer = client
        .expect("connect")
        .export(ExportTraceServiceRequest { resource_spans })
        .await;
    answer
        .map(|_| ())
        .map_err(|status| (status.code(), status.message().to_owned()))
}

/// Sends metrics `m0`, `m1` and so on; the code and words of a refusal.
async fn publish(sink: &Sink, data: Vec<Option<Data>>) -> Result<(), (Code, String)> {
    let metrics = data.into_iter().enumerate();
    let metrics = metrics.map(|(number, data)| Metric {
        name: format!("m{number}"),
        data,
        ..Metric::default()
    });
    let scope_metrics = vec![ScopeMetrics {
        metrics: metrics.collect(),
        ..ScopeMetrics::default()
    }];
    let resource_metrics = vec![ResourceMetrics {
        scope_metrics,
        ..ResourceMetrics::default()
    }];
    let client = MetricsServiceClient::connect(sink.endpoint.clone()).await;
    let answer = client
        .expect("connect")
        .export(ExportMetricsServiceRequest { resource_metrics })
        .await;
    answer
        .map(|_| ())
        .map_err(|status| (status.code(), status.message().to_owned()))
}
