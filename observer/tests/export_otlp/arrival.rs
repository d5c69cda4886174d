//! What arrives is what was made: ids, parents, kinds, times, attributes, metrics, resource.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use observer::diagnosis::Finding;
use observer::export::Ledger;
use observer::export::metrics::Accumulator;
use observer::export::otlp::Reason;
use observer::export::span::{ClockOffset, Context, OtherEnd, lost_spans, spans};
use observer::latency::{Half, Identity, Lost, RoundTrip, Side, Sighting};
use observer::path::{
    Class, Device, Devices, Encapsulation, End, Fragments, Layer, PathReport, PointReport,
    RelayMode, TcpReport, UnderlayKind,
};
use observer_ebpf::abi::point::{Hook, Point};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::receiver::{Mood, Receiver};
use super::{limits, send, start, start_impatient};

const NO_FINDINGS: &[Finding] = &[];

fn report() -> PathReport {
    let end = |node: &str, address: [u8; 4]| End {
        node: Some(node.to_owned()),
        address: Some(address.into()),
        pod: None,
        services: Vec::new(),
    };
    let seen = PointReport {
        rtt_samples: vec![(400_000, Some(420_000), 9)],
        ..PointReport::default()
    };
    PathReport {
        source: end("n1", [10, 42, 1, 5]),
        destination: end("n2", [10, 42, 2, 7]),
        class: Some(Class::Vxlan(UnderlayKind::Lan)),
        encapsulation: Encapsulation(vec![Layer::Vxlan]),
        underlay: Some(UnderlayKind::Lan),
        relay: RelayMode::None,
        relay_by: observer::path::RelayBy::Packets,
        derp_region: None,
        peer_relay: None,
        packets: 120,
        bytes: 96_000,
        tcp: TcpReport::default(),
        fragments: Fragments::default(),
        points: BTreeMap::from([(Point::Port, seen)]),
        mtu: None,
        peer: None,
        idle: 0,
        source_is_local: true,
        superseded: false,
        oversize: None,
        confirmed: true,
        earlier: 1,
        proxy: None,
    }
}

fn round_trip(side: Side, points: [Point; 2]) -> RoundTrip {
    let sighting = |point, reply_time, rtt| Sighting {
        point,
        reply_hook: Hook::Egress,
        reply_time,
        rtt,
    };
    RoundTrip {
        identity: Identity {
            answer: 4,
            probe: 5,
            ack: 6,
            protocol: 6,
        },
        side,
        source: ([10, 42, 1, 5].into(), 40_000),
        destination: ([10, 42, 2, 7].into(), 80),
        protocol: 6,
        path: 4,
        sightings: vec![
            sighting(points[0], 1_500_000, 500_000),
            sighting(points[1], 1_480_000, 470_000),
        ],
    }
}

fn texts(attributes: &[KeyValue]) -> HashMap<&str, String> {
    let shown = |value: &any_value::Value| {
        if let any_value::Value::StringValue(text) = value {
            text.clone()
        } else {
            format!("{value:?}")
        }
    };
    let pairs = attributes.iter().map(|attribute| {
        let value = attribute
            .value
            .as_ref()
            .and_then(|value| value.value.as_ref());
        (&*attribute.key, value.map(shown).unwrap_or_default())
    });
    pairs.collect()
}

fn is_ours(resource: Option<&Resource>) {
    let names = texts(&resource.expect("a resource").attributes);
    for (name, expected) in [
        ("service.name", "netpath-observer"),
        ("k8s.node.name", "n1"),
        ("k8s.cluster.name", "lab"),
        ("host.name", "host-1"),
    ] {
        assert_eq!(
            names.get(name).map(String::as_str),
            Some(expected),
            "{name}"
        );
    }
}

#[tokio::test]
async fn both_sides_of_a_round_trip_arrive_as_one_tree() {
    let receiver = Receiver::start(Mood::Willing);
    let run = start(&receiver.address.to_string(), limits());
    let (report, interfaces) = (report(), Devices::default());
    let mut made = Vec::new();
    for (node, side, points) in [
        ("n1", Side::Source, [Point::Port, Point::Underlay0]),
        ("n2", Side::Destination, [Point::Underlay0, Point::Port]),
    ] {
        let context = Context {
            node,
            path: Some(&report),
            finding: None,
            interfaces: &interfaces,
            other_end: OtherEnd::OtherNode,
            clock: ClockOffset::new(1_700_000_000_000_000_000, 0),
        };
        let tree = spans(&round_trip(side, points), &context);
        made.extend(tree.clone());
        run.handle.send(tree, 0, Duration::ZERO);
    }
    run.finish().await;
    let arrived = receiver.arrived.lock().expect("lock");
    is_ours(arrived.traces[0].resource_spans[0].resource.as_ref());
    assert_eq!(arrived.tokens, ["s3cret"]);
    let got = arrived.spans();
    assert_eq!(got.len(), 8, "a root, two halves and a rest per side");
    for (got, made) in got.iter().zip(&made) {
        assert_eq!(
            (&*got.trace_id, &*got.span_id),
            (&made.trace_id[..], &made.span_id[..])
        );
        assert_eq!(
            got.parent_span_id,
            made.parent.map_or(vec![], |parent| parent.to_vec())
        );
        assert_eq!(
            (&*got.name, got.attributes.len()),
            (&*made.name, made.attributes.len())
        );
        let times = (got.start_time_unix_nano, got.end_time_unix_nano);
        assert_eq!(times, (made.start, made.end));
    }
    let roots: Vec<_> = got
        .iter()
        .filter(|span| span.kind() != SpanKind::Internal)
        .collect();
    let kinds: Vec<_> = roots.iter().map(|span| span.kind()).collect();
    assert_eq!(kinds, [SpanKind::Client, SpanKind::Server]);
    assert_eq!(roots[0].trace_id, roots[1].trace_id);
    assert!(roots[0].parent_span_id.is_empty());
    assert_eq!(roots[1].parent_span_id, roots[0].span_id);
    for child in got.iter().filter(|span| span.kind() == SpanKind::Internal) {
        assert!(
            roots
                .iter()
                .any(|root| root.span_id == child.parent_span_id),
            "{}",
            child.name
        );
    }
    let attributes = texts(&roots[0].attributes);
    assert_eq!(attributes["netpath.class"], "vxlan-lan");
    assert_eq!(attributes["source.port"], "IntValue(40000)");
}

#[tokio::test]
async fn the_newest_metrics_arrive_and_the_last_ones_at_the_end() {
    let receiver = Receiver::start(Mood::Willing);
    let run = start(&receiver.address.to_string(), limits());
    let mut sums = Accumulator::new(1_000);
    let device = Device::new("cni0", 1450, std::iter::empty());
    let interfaces: Devices = [(Point::Bridge, device)].into_iter().collect();
    let ledger = Ledger::from([("frames".to_owned(), 7)]);
    sums.update(&[report()]);
    run.handle
        .publish(sums.collect(2_000, NO_FINDINGS, &interfaces, &ledger));
    let arrived = || receiver.arrived.lock().expect("lock").metrics.len();
    super::within(async {
        while arrived() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    sums.update(&[PathReport {
        packets: 150,
        ..report()
    }]);
    run.handle
        .publish(sums.collect(3_000, NO_FINDINGS, &interfaces, &ledger));
    let drops = run.finish().await;
    for reason in Reason::ALL {
        assert_eq!(drops.failed(reason), 0, "{}", reason.name());
    }
    let arrived = receiver.arrived.lock().expect("lock");
    assert_eq!(arrived.metrics.len(), 2);
    let last = &arrived.metrics[1].resource_metrics[0];
    is_ours(last.resource.as_ref());
    let metrics = &last.scope_metrics[0].metrics;
    let names: Vec<_> = metrics.iter().map(|metric| &*metric.name).collect();
    assert_eq!(
        names,
        [
            "netpath.rtt",
            "netpath.packets",
            "netpath.io",
            "netpath.interface.mtu",
            "netpath.observer.frames",
        ]
    );
    let Some(Data::Histogram(rtt)) = &metrics[0].data else {
        panic!("{:?}", metrics[0]);
    };
    assert_eq!(
        (
            rtt.data_points[0].count,
            rtt.data_points[0].bucket_counts[3]
        ),
        (18, 18)
    );
    assert_eq!(
        texts(&rtt.data_points[0].attributes)["netpath.point"],
        "pod"
    );
    assert_eq!(rtt.data_points[0].time_unix_nano, 3_000);
}

#[tokio::test]
async fn metrics_that_do_not_arrive_are_counted_by_reason() {
    for (mood, reason) in [
        (
            Mood::Refusing(tonic::Code::PermissionDenied, usize::MAX),
            Reason::Refused,
        ),
        (Mood::Slow(Duration::from_secs(3)), Reason::Timeout),
    ] {
        let receiver = Receiver::start(mood);
        let run = start_impatient(&receiver.address.to_string(), Duration::from_millis(300));
        let snapshot = Accumulator::new(1).collect(
            2,
            NO_FINDINGS,
            &Devices::default(),
            &Ledger::from([("frames".to_owned(), 7)]),
        );
        run.handle.publish(snapshot);
        send(&run.handle, 1);
        let drops = run.finish().await;
        assert_eq!(
            (drops.failed(reason), drops.dropped(reason)),
            (1, 1),
            "{drops:?}"
        );
        assert_eq!(
            drops.entries()[&format!("export_failed.{}", reason.name())],
            1
        );
    }
}

#[tokio::test]
async fn a_lost_packet_arrives_as_an_error_where_it_ended() {
    let receiver = Receiver::start(Mood::Willing);
    let run = start(&receiver.address.to_string(), limits());
    let interfaces = Devices::default();
    let context = Context {
        node: "n1",
        path: Some(&report()),
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(1_700_000_000_000_000_000, 0),
    };
    let lost = Lost {
        trip: round_trip(Side::Source, [Point::Port, Point::Underlay0]),
        half: Half::Data,
        last_seen: Point::Underlay0,
    };
    run.handle
        .send(lost_spans(&lost, &context), 0, Duration::ZERO);
    run.finish().await;
    let arrived = receiver.arrived.lock().expect("lock");
    let statuses = arrived.spans().into_iter().map(|span| {
        let status = span.status.as_ref();
        let error = status.filter(|status| status.code() == StatusCode::Error);
        (&*span.name, error.map_or("", |status| &*status.message))
    });
    let error = "no reply: the packet was last seen at the wire";
    assert_eq!(
        statuses.collect::<Vec<_>>(),
        [
            ("vxlan-lan no reply", error),
            ("pod > wire", ""),
            ("beyond wire", error),
        ]
    );
}
