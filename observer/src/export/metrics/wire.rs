//! The sums as OTLP metrics, in the order of the metric table; a metric without points is left out.

use std::collections::BTreeMap;

use observer_ebpf::abi::point::Point;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use proto::metric::Data;
use proto::number_data_point::Value;

use super::histogram::{BOUNDS, Histogram, seconds};
use super::labels::Labels;
use super::{Accumulator, Counts, arrivals, group};
use crate::export::names::attribute as name;
use crate::export::names::{self, ANNOUNCED, Kind, metric, point_role};
use crate::export::{Attribute, wire};
use crate::path::Devices;

pub(super) const CUMULATIVE: i32 = proto::AggregationTemporality::Cumulative as i32;
const FRAGMENT_LAYERS: [&str; 3] = ["inner", "vxlan", "wireguard"];

/// All metrics at `now`.
pub(super) fn metrics(sums: &Accumulator, now: u64, interfaces: &Devices) -> Vec<proto::Metric> {
    let times = Times {
        start: sums.start,
        now,
    };
    let counter = |of: fn(&Counts) -> u64| {
        let points = sums.paths.iter();
        points.map(move |(labels, counts)| (labels.attributes(), of(counts)))
    };
    let gauges = sums.mtu.iter();
    let mut all = vec![
        rtt(sums, times),
        times.counter(
            &metric::PACKETS,
            metric::PACKETS.name,
            counter(|counts| counts.packets),
        ),
        times.counter(&metric::IO, metric::IO.name, counter(|counts| counts.bytes)),
        times.counter(&metric::FRAGMENTS, metric::FRAGMENTS.name, fragments(sums)),
        times.counter(&metric::OVERSIZE, metric::OVERSIZE.name, oversize(sums)),
        times.counter(&metric::ANNOUNCED, metric::ANNOUNCED.name, announced(sums)),
        times.gauge(&metric::FINDING_OPEN, findings(sums)),
        times.gauge(
            &metric::PATH_MTU,
            gauges.map(|(labels, &mtu)| (labels.attributes(), mtu.into())),
        ),
        times.gauge(&metric::INTERFACE_MTU, devices(interfaces)),
    ];
    all.extend(arrivals::metrics(&sums.wires, times));
    all.extend(ledger(sums, times));
    all.retain(|metric| !is_empty(metric));
    all
}

#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) start: u64,
    pub(super) now: u64,
}

pub(super) type Labelled = (Vec<Attribute>, u64);

impl Times {
    pub(super) fn counter(
        self,
        row: &names::Metric,
        name: &str,
        points: impl Iterator<Item = Labelled>,
    ) -> proto::Metric {
        let data = Data::Sum(proto::Sum {
            data_points: points.map(|point| self.number(point, self.start)).collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        });
        describe(row, name, data)
    }

    fn gauge(self, row: &names::Metric, points: impl Iterator<Item = Labelled>) -> proto::Metric {
        let data_points = points.map(|point| self.number(point, 0)).collect();
        describe(row, row.name, Data::Gauge(proto::Gauge { data_points }))
    }

    fn number(self, (labels, value): Labelled, start: u64) -> proto::NumberDataPoint {
        proto::NumberDataPoint {
            attributes: labels.iter().map(wire::attribute).collect(),
            start_time_unix_nano: start,
            time_unix_nano: self.now,
            value: Some(Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))),
            ..proto::NumberDataPoint::default()
        }
    }
}

fn rtt(sums: &Accumulator, times: Times) -> proto::Metric {
    let points = sums.rtt.iter();
    let data = Data::Histogram(proto::Histogram {
        data_points: points
            .map(|(key, histogram)| samples(key, histogram, times))
            .collect(),
        aggregation_temporality: CUMULATIVE,
    });
    describe(&metric::RTT, metric::RTT.name, data)
}

fn samples(
    (labels, point): &(Labels, &'static str),
    histogram: &Histogram,
    times: Times,
) -> proto::HistogramDataPoint {
    let mut labels = labels.attributes();
    labels.push(Attribute::new(name::POINT, *point));
    proto::HistogramDataPoint {
        attributes: labels.iter().map(wire::attribute).collect(),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        count: histogram.count(),
        sum: Some(histogram.sum()),
        bucket_counts: histogram.buckets.to_vec(),
        explicit_bounds: BOUNDS.into_iter().map(seconds).collect(),
        ..proto::HistogramDataPoint::default()
    }
}

/// Layers that were never cut are left out: most of them, on most paths.
fn fragments(sums: &Accumulator) -> impl Iterator<Item = Labelled> {
    sums.paths.iter().flat_map(|(labels, counts)| {
        let layers = FRAGMENT_LAYERS.into_iter().zip(counts.fragments);
        layers
            .filter(|(_, count)| *count > 0)
            .map(|(layer, count)| {
                let mut labels = labels.attributes();
                labels.push(Attribute::new(name::FRAG_LAYER, layer));
                (labels, count)
            })
    })
}

fn oversize(sums: &Accumulator) -> impl Iterator<Item = Labelled> {
    sums.oversize.iter().map(|((labels, proof), &packets)| {
        let mut labels = labels.attributes();
        let names = [name::OVERSIZE_PROOF, name::OVERSIZE_PLACE];
        let proof = names.into_iter().zip(*proof);
        labels.extend(proof.map(|(name, value)| Attribute::new(name, value)));
        (labels, packets)
    })
}

fn announced(sums: &Accumulator) -> impl Iterator<Item = Labelled> {
    sums.announced.iter().map(|(labels, &packets)| {
        let mut labels = labels.attributes();
        labels.push(Attribute::new(name::OVERSIZE_PROOF, ANNOUNCED));
        (labels, packets)
    })
}

fn findings(sums: &Accumulator) -> impl Iterator<Item = Labelled> {
    let findings = sums.findings.iter();
    findings.map(|(labels, &open)| (labels.attributes(), open))
}

/// Pod ports come and go with pods, so that their names would have no bound.
fn devices(interfaces: &Devices) -> impl Iterator<Item = Labelled> {
    let devices = interfaces.iter().filter(|(point, _)| *point != Point::Port);
    devices.map(|(point, device)| {
        let labels = vec![
            Attribute::new(name::NETWORK_INTERFACE_NAME, device.name.clone()),
            Attribute::new(name::POINT, point_role(point)),
        ];
        (labels, device.mtu.into())
    })
}

/// One metric per name, with its reasons as points.
fn ledger(sums: &Accumulator, times: Times) -> Vec<proto::Metric> {
    let mut by_name: BTreeMap<&str, Vec<Labelled>> = BTreeMap::new();
    for (entry, &count) in &sums.ledger {
        let (name, reason) = group(entry);
        let labels = reason.map(|reason| Attribute::new(name::REASON, reason.to_owned()));
        by_name
            .entry(name)
            .or_default()
            .push((labels.into_iter().collect(), count));
    }
    let metrics = by_name.into_iter();
    metrics
        .map(|(name, points)| {
            let row = metric::of_ledger(name);
            if row.kind == Kind::Gauge {
                return times.gauge(row, points.into_iter());
            }
            let name = format!("{}{name}", metric::OBSERVER_PREFIX);
            times.counter(row, &name, points.into_iter())
        })
        .collect()
}

pub(super) fn describe(row: &names::Metric, name: &str, data: Data) -> proto::Metric {
    proto::Metric {
        name: name.to_owned(),
        description: row.meaning.to_owned(),
        unit: row.unit.to_owned(),
        data: Some(data),
        ..proto::Metric::default()
    }
}

fn is_empty(metric: &proto::Metric) -> bool {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.is_empty(),
        Some(Data::Sum(sum)) => sum.data_points.is_empty(),
        Some(Data::Histogram(histogram)) => histogram.data_points.is_empty(),
        Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => true,
    }
}
