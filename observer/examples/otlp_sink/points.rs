//! A request of metrics as JSON lines, one per data point. Pure.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint};
use serde::Serialize;
use serde_json::{Map, Value};

use super::value::{Malformed, object, resource};

/// One data point. Times in nanoseconds since 1970; a number has `value`, anything else `count` and
/// `sum`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    name: String,
    unit: String,
    kind: &'static str,
    temporality: Option<&'static str>,
    start_unix_nano: u64,
    time_unix_nano: u64,
    attributes: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    resource: Map<String, Value>,
}

/// The points in the order of the request.
pub(crate) fn lines(request: &ExportMetricsServiceRequest) -> Result<Vec<Line>, Malformed> {
    let mut lines = Vec::new();
    for group in &request.resource_metrics {
        let resource = resource(group.resource.as_ref())?;
        for metric in group.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            lines.extend(points(metric, &resource)?);
        }
    }
    Ok(lines)
}

fn points(metric: &Metric, resource: &Map<String, Value>) -> Result<Vec<Line>, Malformed> {
    let blank = |kind, temporality| Line {
        name: metric.name.clone(),
        unit: metric.unit.clone(),
        kind,
        temporality,
        start_unix_nano: 0,
        time_unix_nano: 0,
        attributes: Map::new(),
        value: None,
        count: None,
        sum: None,
        resource: resource.clone(),
    };
    match metric.data.as_ref() {
        None => Err(Malformed::Empty(metric.name.clone())),
        Some(Data::Gauge(gauge)) => {
            let blank = blank("gauge", None);
            let points = gauge.data_points.iter();
            points.map(|point| blank.clone().number(point)).collect()
        }
        Some(Data::Sum(sum)) => {
            let kind = if sum.is_monotonic { "counter" } else { "sum" };
            let blank = blank(kind, Some(name(sum.aggregation_temporality())));
            let points = sum.data_points.iter();
            points.map(|point| blank.clone().number(point)).collect()
        }
        Some(Data::Histogram(histogram)) => {
            let temporality = name(histogram.aggregation_temporality());
            let blank = blank("histogram", Some(temporality));
            let points = histogram.data_points.iter().map(|point| {
                let times = [point.start_time_unix_nano, point.time_unix_nano];
                let line = blank.clone().at(times, &point.attributes)?;
                Ok(line.summed(point.count, point.sum))
            });
            points.collect()
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let temporality = name(histogram.aggregation_temporality());
            let blank = blank("exponential_histogram", Some(temporality));
            let points = histogram.data_points.iter().map(|point| {
                let times = [point.start_time_unix_nano, point.time_unix_nano];
                let line = blank.clone().at(times, &point.attributes)?;
                Ok(line.summed(point.count, point.sum))
            });
            points.collect()
        }
        Some(Data::Summary(summary)) => {
            let blank = blank("summary", None);
            let points = summary.data_points.iter().map(|point| {
                let times = [point.start_time_unix_nano, point.time_unix_nano];
                let line = blank.clone().at(times, &point.attributes)?;
                Ok(line.summed(point.count, Some(point.sum)))
            });
            points.collect()
        }
    }
}

impl Line {
    fn at(self, [start, time]: [u64; 2], attributes: &[KeyValue]) -> Result<Self, Malformed> {
        Ok(Self {
            start_unix_nano: start,
            time_unix_nano: time,
            attributes: object(attributes)?,
            ..self
        })
    }

    fn number(self, point: &NumberDataPoint) -> Result<Self, Malformed> {
        let value = match point.value {
            Some(Number::AsInt(number)) => number.into(),
            Some(Number::AsDouble(number)) => number.into(),
            None => return Err(Malformed::Empty(self.name)),
        };
        let times = [point.start_time_unix_nano, point.time_unix_nano];
        let line = self.at(times, &point.attributes)?;
        Ok(Self {
            value: Some(value),
            ..line
        })
    }

    fn summed(self, count: u64, sum: Option<f64>) -> Self {
        Self {
            count: Some(count),
            sum,
            ..self
        }
    }
}

fn name(temporality: AggregationTemporality) -> &'static str {
    match temporality {
        AggregationTemporality::Unspecified => "unspecified",
        AggregationTemporality::Delta => "delta",
        AggregationTemporality::Cumulative => "cumulative",
    }
}
