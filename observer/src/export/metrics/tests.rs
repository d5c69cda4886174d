//! The sums of the metrics, and that their labels are bounded.

use std::collections::{BTreeMap, HashSet};

use observer_ebpf::abi::point::Point;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, HistogramDataPoint};

use super::*;
use crate::export::fixture;
use crate::export::names::metric_table;
use crate::path::{Class, Device, Dropped, PointReport, RelayMode};
use observer_ebpf::abi::drop::Place;

const START: u64 = 1_000;
const NOW: u64 = 2_000;

fn collect(sums: &mut Accumulator) -> Snapshot {
    let ledger = Ledger::from([
        ("frames".to_owned(), 70),
        ("parse_rejected.too_short".to_owned(), 2),
        ("parse_rejected.bad_length".to_owned(), 3),
    ]);
    sums.collect(NOW, &[fixture::finding()], &fixture::interfaces(), &ledger)
}

fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Data> {
    let metric = snapshot
        .metrics()
        .iter()
        .find(|metric| metric.name == name)?;
    metric.data.as_ref()
}

fn show(labels: &[KeyValue]) -> String {
    let text =
        labels.iter().map(
            |label| match label.value.as_ref().and_then(|v| v.value.as_ref()) {
                Some(any_value::Value::StringValue(text)) => format!("{}={text}", label.key),
                other => panic!("{} is {other:?}", label.key),
            },
        );
    text.collect::<Vec<_>>().join(" ")
}

/// (labels, value) of a sum or a gauge.
fn numbers(snapshot: &Snapshot, name: &str) -> Vec<(String, i64)> {
    let points = match find(snapshot, name) {
        Some(Data::Sum(sum)) => {
            assert!(sum.is_monotonic);
            assert_eq!(
                sum.aggregation_temporality(),
                AggregationTemporality::Cumulative
            );
            assert!(
                sum.data_points
                    .iter()
                    .all(|point| point.start_time_unix_nano == START)
            );
            &sum.data_points
        }
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(other) => panic!("{name} is {other:?}"),
        None => return Vec::new(),
    };
    let value = |value: &Option<Value>| match value {
        Some(Value::AsInt(number)) => *number,
        other => panic!("{name} has {other:?}"),
    };
    points
        .iter()
        .map(|point| (show(&point.attributes), value(&point.value)))
        .collect()
}

fn histograms(snapshot: &Snapshot) -> &[HistogramDataPoint] {
    match find(snapshot, "netpath.rtt") {
        Some(Data::Histogram(histogram)) => &histogram.data_points,
        other => panic!("{other:?}"),
    }
}

const PATH: &str = "netpath.source.node=n1 netpath.destination.node=n2 netpath.class=vxlan-lan \
                    netpath.tailscale.mode=none";

#[test]
fn a_sweep_becomes_sums_gauges_and_histograms() {
    let mut sums = Accumulator::new(START);
    sums.update(&[fixture::report()]);
    let snapshot = collect(&mut sums);
    let one = |name: &str| numbers(&snapshot, name);
    assert_eq!(one("netpath.packets"), [(PATH.to_owned(), 120)]);
    assert_eq!(one("netpath.io"), [(PATH.to_owned(), 96_000)]);
    assert_eq!(
        one("netpath.fragments"),
        [(format!("{PATH} netpath.frag.layer=vxlan"), 4)]
    );
    assert_eq!(one("netpath.path.mtu"), [(PATH.to_owned(), 1450)]);
    assert_eq!(
        one("netpath.finding"),
        [(
            "netpath.finding=double_encapsulation netpath.fix=flannel-iface-lan \
             netpath.source.node=n1 netpath.destination.node=n2"
                .to_owned(),
            1
        )]
    );
    assert_eq!(
        one("netpath.interface.mtu")[2],
        (
            "network.interface.name=eth0 netpath.point=underlay".to_owned(),
            1500
        )
    );
    assert_eq!(one("netpath.observer.frames"), [(String::new(), 70)]);
    assert_eq!(
        one("netpath.observer.parse_rejected"),
        [
            ("netpath.reason=bad_length".to_owned(), 3),
            ("netpath.reason=too_short".to_owned(), 2),
        ]
    );
    let rtt = histograms(&snapshot);
    let points: Vec<_> = rtt.iter().map(|point| show(&point.attributes)).collect();
    assert_eq!(
        points,
        ["overlay", "pod", "underlay"].map(|at| format!("{PATH} netpath.point={at}"))
    );
    assert_eq!((rtt[0].count, rtt[0].start_time_unix_nano), (3, START));
    assert_eq!(rtt[0].bucket_counts[3], 3, "400 us lie in (200 us, 500 us]");
    assert_eq!(rtt[0].bucket_counts.len(), rtt[0].explicit_bounds.len() + 1);
    assert!((rtt[0].explicit_bounds[0] - 50e-6).abs() < 1e-12);
    assert!((rtt[0].sum.unwrap() - 3.0 * 400e-6).abs() < 1e-9);
}

#[test]
fn drops_add_what_is_new_whatever_class_they_are_shown_with() {
    let mut report = fixture::report();
    let other = Dropped {
        place: Place::VethToPod,
        recent: 4,
        ..fixture::dropped()
    };
    if let Some(oversize) = &mut report.oversize {
        oversize.dropped.push(other);
    }
    let mut sums = Accumulator::new(START);
    sums.update(std::slice::from_ref(&report));
    sums.update(std::slice::from_ref(&report));
    report.class = Some(Class::LanDirect);
    sums.update(&[report]);
    let of = |class: &str, place: &str, packets| {
        let path = PATH.replace("vxlan-lan", class);
        let proof = format!("netpath.oversize.proof=kfree_skb netpath.oversize.place={place}");
        (format!("{path} {proof}"), packets)
    };
    let mut expected = [
        of("vxlan-lan", "bridge_port", 2),
        of("vxlan-lan", "veth_to_pod", 8),
        of("lan-direct", "bridge_port", 1),
        of("lan-direct", "veth_to_pod", 4),
    ];
    let mut found = numbers(&collect(&mut sums), "netpath.oversize.drops");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn errors_add_what_is_new_and_are_no_drops() {
    let mut report = fixture::report();
    if let Some(oversize) = &mut report.oversize {
        oversize.dropped.clear();
    }
    let mut sums = Accumulator::new(START);
    sums.update(std::slice::from_ref(&report));
    sums.update(&[report]);
    let snapshot = collect(&mut sums);
    let told = format!("{PATH} netpath.oversize.proof=icmp_too_big");
    let found = numbers(&snapshot, "netpath.oversize.announced");
    assert_eq!(found, [(told, 2)]);
    assert_eq!(numbers(&snapshot, "netpath.oversize.drops"), []);
}

#[test]
fn paths_that_share_labels_are_one_series() {
    let mut second = fixture::report();
    second.source.address = Some([10, 42, 1, 6].into());
    second.source.pod = Some("shop/web-1".to_owned());
    second.mtu = Some((1230, "tailscale0".to_owned()));
    let mut sums = Accumulator::new(START);
    sums.update(&[fixture::report(), second]);
    let snapshot = collect(&mut sums);
    assert_eq!(
        numbers(&snapshot, "netpath.packets"),
        [(PATH.to_owned(), 240)]
    );
    assert_eq!(
        numbers(&snapshot, "netpath.path.mtu"),
        [(PATH.to_owned(), 1230)]
    );
    assert_eq!(histograms(&snapshot)[0].count, 6);
}

#[test]
fn a_path_that_takes_a_relay_goes_on_in_another_series_and_counts_once() {
    let mut report = fixture::report();
    (report.class, report.relay) = (Some(Class::VxlanTailscale), RelayMode::Direct);
    let mut sums = Accumulator::new(START);
    sums.update(std::slice::from_ref(&report));
    (report.relay, report.packets) = (RelayMode::Derp, 150);
    sums.update(&[report]);
    let nodes = "netpath.source.node=n1 netpath.destination.node=n2";
    let series = |mode: &str| {
        format!("{nodes} netpath.class=vxlan-tailscale-{mode} netpath.tailscale.mode={mode}")
    };
    assert_eq!(
        numbers(&collect(&mut sums), "netpath.packets"),
        [(series("direct"), 120), (series("derp"), 30)]
    );
}

/// Two series of the same labels would be one too many.
#[test]
fn vxlan_over_a_tunnel_inside_the_overlay_goes_on_in_the_series_of_direct_ones() {
    let mut report = fixture::report();
    (report.class, report.relay) = (Some(Class::VxlanTailscale), RelayMode::Direct);
    let mut sums = Accumulator::new(START);
    sums.update(std::slice::from_ref(&report));
    (report.relay, report.packets) = (RelayMode::Overlay, 150);
    sums.update(&[report]);
    let packets = numbers(&collect(&mut sums), "netpath.packets");
    let sums: Vec<_> = packets.iter().map(|(_, sum)| *sum).collect();
    assert_eq!(sums, [150]);
}

#[test]
fn counters_never_fall_although_rows_and_findings_go() {
    let mut sums = Accumulator::new(START);
    sums.update(&[fixture::report()]);
    collect(&mut sums);
    sums.update(&[]);
    let ledger = Ledger::from([("frames".to_owned(), 60)]);
    let snapshot = sums.collect(NOW, &[], &Devices::default(), &ledger);
    assert_eq!(numbers(&snapshot, "netpath.packets")[0].1, 120);
    assert_eq!(numbers(&snapshot, "netpath.observer.frames")[0].1, 70);
    assert_eq!(
        numbers(&snapshot, "netpath.observer.parse_rejected").len(),
        2
    );
    assert_eq!(
        numbers(&snapshot, "netpath.path.mtu"),
        [],
        "a gauge is of now"
    );
    assert_eq!(
        numbers(&snapshot, "netpath.finding")[0].1,
        0,
        "gone is 0, not absent"
    );
    assert_eq!(histograms(&snapshot)[0].count, 3);
    sums.update(&[PathReport {
        packets: 150,
        ..fixture::report()
    }]);
    let snapshot = collect(&mut sums);
    assert_eq!(numbers(&snapshot, "netpath.packets")[0].1, 150);
    assert_eq!(
        histograms(&snapshot)[0].count,
        6,
        "samples are new ones each time"
    );
}

#[test]
fn devices_that_are_not_observed_are_a_state_that_comes_and_goes() {
    const NAME: &str = "netpath.observer.not_attached";
    let mut sums = Accumulator::new(START);
    let mut at = |entries: &[(&str, u64)]| {
        let ledger = entries.iter();
        let ledger = ledger.map(|&(name, count)| (name.to_owned(), count));
        let snapshot = sums.collect(NOW, &[], &Devices::default(), &ledger.collect());
        let is_gauge = matches!(find(&snapshot, NAME), Some(Data::Gauge(_)) | None);
        assert!(is_gauge, "{snapshot:?}");
        let counts = numbers(&snapshot, NAME).into_iter();
        counts.map(|(_, count)| count).collect::<Vec<_>>()
    };
    assert!(at(&[("frames", 1)]).is_empty());
    assert_eq!(at(&[("not_attached.layer", 2)]), [2]);
    assert_eq!(at(&[("not_attached.layer", 1)]), [1]);
    assert_eq!(at(&[("not_attached.attach", 1)]), [1, 0], "gone is 0");
}

#[test]
fn labels_are_those_of_the_table_and_hold_no_pod_address_or_port() {
    let mut report = fixture::report();
    report.destination.node = Some("100.64.0.2".to_owned());
    let mut finding = fixture::finding();
    finding.subject.nodes[1] = "fd7a::2".to_owned();
    let port = Device::new("veth12ab", 1450, std::iter::empty());
    let interfaces = fixture::interfaces();
    let known = interfaces.iter().map(|(point, own)| (point, own.clone()));
    let interfaces = known.chain([(Point::Port, port)]).collect();
    let mut sums = Accumulator::new(START);
    sums.update(&[report]);
    let ledger = Ledger::from([
        ("parse_rejected.bad_length".to_owned(), 3),
        ("not_attached.layer".to_owned(), 1),
    ]);
    let snapshot = sums.collect(NOW, &[finding], &interfaces, &ledger);
    let everything = format!("{snapshot:?}");
    for secret in [
        "web-0",
        "shop",
        "10.42.1.5",
        "10.42.2.7",
        "100.64.0.2",
        "fd7a::2",
        "veth12ab",
    ] {
        assert!(!everything.contains(secret), "{secret}");
    }
    for metric in snapshot.metrics() {
        let named = |name: &str| metric_table().iter().find(|row| row.name == name);
        let group = metric.name.starts_with("netpath.observer.");
        let rest = || named("netpath.observer.*").filter(|_| group);
        let row = named(&metric.name).or_else(rest).unwrap();
        let name = &metric.name;
        assert_eq!(
            (&*metric.unit, &*metric.description),
            (row.unit, row.meaning),
            "{name}"
        );
        let labels = match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => sum
                .data_points
                .iter()
                .map(|point| &point.attributes)
                .collect(),
            Data::Gauge(gauge) => gauge
                .data_points
                .iter()
                .map(|point| &point.attributes)
                .collect(),
            Data::Histogram(all) => all.data_points.iter().map(|one| &one.attributes).collect(),
            Data::ExponentialHistogram(_) | Data::Summary(_) => panic!("{name}"),
        };
        let labels: Vec<&Vec<KeyValue>> = labels;
        for label in labels.into_iter().flatten() {
            assert!(row.labels.contains(&&*label.key), "{} of {name}", label.key);
        }
    }
    let names: HashSet<_> = snapshot
        .metrics()
        .iter()
        .map(|metric| &metric.name)
        .collect();
    assert_eq!(names.len(), snapshot.metrics().len());
}

#[test]
fn nodes_without_end_end_up_as_others() {
    let mut sums = Accumulator::new(START);
    for node in 0..LABELS + 10 {
        let mut report = fixture::report();
        report.destination.node = Some(format!("node-{node}"));
        report.packets = node as u64 + 1_000_000;
        report.points = BTreeMap::from([(Point::Port, PointReport::default())]);
        report.class = Some(Class::LanDirect);
        sums.update(&[report]);
    }
    assert_eq!(sums.paths.len(), LABELS + 1);
    let snapshot = collect(&mut sums);
    let packets = numbers(&snapshot, "netpath.packets");
    let total: i64 = packets.iter().map(|(_, packets)| packets).sum();
    assert_eq!(
        total,
        1_000_000 + i64::try_from(LABELS).unwrap() + 9,
        "one row, named anew each time"
    );
}
