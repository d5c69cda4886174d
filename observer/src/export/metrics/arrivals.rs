//! Metrics of underlays that are observed before the stack.

use observer_ebpf::abi::wire::{DELAYS, WireRecord, delay_edge};
use opentelemetry_proto::tonic::metrics::v1 as proto;
use proto::metric::Data;

use super::histogram::seconds;
use super::wire::{CUMULATIVE, Times, describe};
use crate::export::names::attribute as name;
use crate::export::names::{self, metric};
use crate::export::{Attribute, wire};
use crate::path::WireReport;

/// A counter of the table with its number.
type Counted = (&'static names::Metric, fn(&WireRecord) -> u64);

const COUNTERS: [Counted; 4] = [
    (&metric::WIRE_PACKETS, |sums| sums.packets),
    (&metric::WIRE_IO, |sums| sums.bytes),
    (&metric::WIRE_BUFFERS, |sums| sums.buffers),
    (&metric::WIRE_SEGMENTS, |sums| sums.segments),
];

/// All of them, in the order of the metric table.
pub(super) fn metrics(wires: &[WireReport], times: Times) -> Vec<proto::Metric> {
    let counter = |(row, of): Counted| {
        let points = wires.iter();
        let points = points.map(|wire| (labels(wire), of(&wire.sums)));
        times.counter(row, row.name, points)
    };
    let mut all: Vec<_> = COUNTERS.into_iter().map(counter).collect();
    let durations = wires.iter().filter(|wire| wire.timed() > 0);
    let data = Data::Histogram(proto::Histogram {
        data_points: durations.map(|wire| samples(wire, times)).collect(),
        aggregation_temporality: CUMULATIVE,
    });
    let row = &metric::WIRE_DURATION;
    all.push(describe(row, row.name, data));
    all
}

fn labels(report: &WireReport) -> Vec<Attribute> {
    vec![
        Attribute::new(name::NETWORK_INTERFACE_NAME, report.device.clone()),
        Attribute::new(name::XDP_MODE, report.mode),
    ]
}

/// The kernel's buckets as they are. Their edges are exclusive and those of OTLP inclusive: what lies on
/// an edge, to 64 ns, counts one bucket higher.
fn samples(report: &WireReport, times: Times) -> proto::HistogramDataPoint {
    let edges = (0..DELAYS).filter_map(delay_edge);
    proto::HistogramDataPoint {
        attributes: labels(report).iter().map(wire::attribute).collect(),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        count: report.timed(),
        sum: Some(seconds(report.delayed())),
        bucket_counts: report.sums.delays.to_vec(),
        explicit_bounds: edges.map(seconds).collect(),
        ..proto::HistogramDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::wire::delay_bucket;
    use observer_ebpf::units::Fine;
    use proto::number_data_point::Value;

    use super::*;
    use crate::export::names::metric_table;

    fn report() -> WireReport {
        let mut sums = WireRecord {
            packets: 50,
            bytes: 70_000,
            buffers: 5,
            segments: 49,
            delayed: 1_000,
            ..WireRecord::default()
        };
        sums.delays[delay_bucket(Fine(15))] = 3;
        sums.delays[DELAYS - 1] = 1;
        WireReport {
            device: "eth0".to_owned(),
            mode: "native",
            sums,
        }
    }

    #[test]
    fn a_wire_becomes_four_counters_and_a_histogram_of_the_table() {
        let times = Times { start: 1, now: 2 };
        let all = metrics(&[report()], times);
        let names: Vec<_> = all.iter().map(|metric| metric.name.as_str()).collect();
        let table = metric_table().iter().map(|row| row.name);
        let table: Vec<_> = table.filter(|name| name.contains(".wire.")).collect();
        assert_eq!(names, table);
        let numbers: Vec<_> = all
            .iter()
            .filter_map(|metric| match &metric.data {
                Some(Data::Sum(sum)) if sum.is_monotonic => sum.data_points.first()?.value,
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [50, 70_000, 5, 49].map(Value::AsInt));
        let Some(Data::Histogram(histogram)) = &all[4].data else {
            panic!("{:?}", all[4]);
        };
        let [point] = histogram.data_points.as_slice() else {
            panic!("{histogram:?}");
        };
        assert_eq!((point.count, point.sum), (4, Some(0.000_064)));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        // 15 units of 64 ns lie in the bucket up to 1,024 ns.
        let filled = point.bucket_counts.iter().position(|&count| count == 3);
        let bound = filled.map(|bucket| point.explicit_bounds[bucket]);
        assert_eq!(bound, Some(0.000_001_024));
        assert_eq!(point.attributes.len(), 2);
    }

    #[test]
    fn without_a_sample_there_is_no_histogram_and_without_a_wire_no_point() {
        let times = Times { start: 1, now: 2 };
        let mut silent = report();
        silent.sums.delays = [0; DELAYS];
        let points = |wires: &[WireReport]| -> Vec<usize> {
            let count = |metric: proto::Metric| match metric.data {
                Some(Data::Sum(sum)) => sum.data_points.len(),
                Some(Data::Histogram(histogram)) => histogram.data_points.len(),
                other => panic!("{other:?}"),
            };
            metrics(wires, times).into_iter().map(count).collect()
        };
        assert_eq!(points(&[silent]), [1, 1, 1, 1, 0]);
        assert_eq!(points(&[]), [0; 5]);
    }
}
