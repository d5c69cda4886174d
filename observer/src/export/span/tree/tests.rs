//! The spans of one round trip: parents, times, names.

use std::collections::HashSet;

use observer_ebpf::abi::point::Point;

use super::*;
use crate::export::names::{attribute as name, attribute_table};
use crate::export::span::{ClockOffset, OtherEnd};
use crate::export::{Value, fixture};

const OFFSET: u64 = 1_700_000_000_000_000_000;

fn tree(side: Side, points: &[Point]) -> Vec<Span> {
    let report = fixture::report();
    let interfaces = fixture::interfaces();
    let trip = fixture::round_trip(side, points);
    spans(
        &trip,
        &Context {
            node: if side == Side::Destination {
                "n2"
            } else {
                "n1"
            },
            path: Some(&report),
            finding: Some(&fixture::finding()),
            interfaces: &interfaces,
            other_end: OtherEnd::Nobody,
            clock: ClockOffset::new(OFFSET + 5, 5),
        },
    )
}

/// (name, start, end) in microseconds of monotonic time.
fn outline(spans: &[Span]) -> Vec<(&str, u64, u64)> {
    let micros = |wall: u64| (wall - OFFSET) / 1_000;
    let spans = spans.iter();
    spans
        .map(|span| (&*span.name, micros(span.start), micros(span.end)))
        .collect()
}

fn text<'a>(span: &'a Span, name: &str) -> Option<&'a str> {
    let attribute = span
        .attributes
        .iter()
        .find(|attribute| attribute.name == name)?;
    match &attribute.value {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::Real(_) => Some("number"),
        Value::Flag(flag) => Some(if *flag { "true" } else { "false" }),
    }
}

#[test]
fn a_root_says_where_its_paths_packets_are_dropped_while_they_are() {
    let mut report = fixture::report();
    let interfaces = fixture::interfaces();
    let trip = fixture::round_trip(Side::Source, &[Point::Port]);
    let said = |report: &crate::path::PathReport| {
        let context = Context {
            node: "n1",
            path: Some(report),
            finding: None,
            interfaces: &interfaces,
            other_end: OtherEnd::Nobody,
            clock: ClockOffset::new(OFFSET, 0),
        };
        let root = spans(&trip, &context).swap_remove(0);
        [
            name::OVERSIZE_PLACE,
            name::OVERSIZE_DEVICE,
            name::OVERSIZE_DROPS,
        ]
        .map(|name| text(&root, name).map(str::to_owned))
    };
    let wanted = ["bridge_port", "veth7", "number"].map(|text| Some(text.to_owned()));
    assert_eq!(said(&report), wanted);
    for dropped in report
        .oversize
        .iter_mut()
        .flat_map(|found| &mut found.dropped)
    {
        dropped.quiet = 7;
    }
    assert_eq!(said(&report), [None, None, None]);
    report.oversize = None;
    assert_eq!(said(&report), [None, None, None]);
}

#[test]
fn the_source_fills_its_root_with_segments_and_what_lies_beyond() {
    let spans = tree(
        Side::Source,
        &[Point::Port, Point::Overlay, Point::Underlay0],
    );
    assert_eq!(
        outline(&spans),
        [
            ("vxlan-lan round trip", 1_000, 1_500),
            ("pod > overlay", 1_000, 1_010),
            ("overlay > wire", 1_010, 1_020),
            ("beyond wire", 1_020, 1_460),
            ("wire > overlay", 1_460, 1_480),
            ("overlay > pod", 1_480, 1_500),
        ]
    );
    let (root, children) = spans.split_first().unwrap();
    assert_eq!((root.kind, root.parent), (Kind::Client, None));
    for child in children {
        assert_eq!(
            (child.kind, child.parent),
            (Kind::Internal, Some(root.span_id))
        );
        assert_eq!(child.trace_id, root.trace_id);
    }
    let of = |span: usize, name| text(&spans[span], name);
    assert_eq!(of(1, name::SEGMENT), Some("pod>overlay"));
    assert_eq!(of(5, name::SEGMENT), Some("pod>overlay"));
    assert_eq!(
        (of(1, name::DIRECTION), of(5, name::DIRECTION)),
        (Some("data"), Some("reply"))
    );
    assert_eq!(
        of(4, name::POINT),
        Some("underlay"),
        "the reply leaves the wire"
    );
    assert_eq!(of(4, name::NETWORK_INTERFACE_NAME), Some("eth0"));
}

#[test]
fn the_destination_answers_under_the_span_that_the_source_makes() {
    let source = tree(Side::Source, &[Point::Port, Point::Underlay0]);
    let spans = tree(
        Side::Destination,
        &[Point::Underlay0, Point::Overlay, Point::Port],
    );
    assert_eq!(
        outline(&spans),
        [
            ("vxlan-lan answer", 1_000, 1_500),
            ("wire > overlay", 1_000, 1_010),
            ("overlay > pod", 1_010, 1_020),
            ("inside pod", 1_020, 1_460),
            ("pod > overlay", 1_460, 1_480),
            ("overlay > wire", 1_480, 1_500),
        ]
    );
    assert_eq!(
        (spans[0].kind, spans[0].parent),
        (Kind::Server, Some(source[0].span_id))
    );
    assert_eq!(spans[0].trace_id, source[0].trace_id);
    assert_eq!(text(&spans[1], name::SEGMENT), Some("overlay>wire"));
    let ids: HashSet<_> = source
        .iter()
        .chain(&spans)
        .map(|span| span.span_id)
        .collect();
    assert_eq!(ids.len(), source.len() + spans.len());
}

#[test]
fn a_forwarding_node_adds_only_its_segments() {
    let spans = tree(Side::Transit, &[Point::Underlay0, Point::Underlay1]);
    let client = tree(Side::Source, &[Point::Port])[0].span_id;
    assert_eq!(
        outline(&spans),
        [
            ("wire > wire", 1_000, 1_010),
            ("beyond wire", 1_010, 1_480),
            ("wire > wire", 1_480, 1_500),
        ]
    );
    assert!(
        spans
            .iter()
            .all(|span| span.kind == Kind::Internal && span.parent == Some(client))
    );
    assert_eq!(
        outline(&tree(Side::Transit, &[Point::Tunnel])),
        [("beyond tunnel", 1_000, 1_500)]
    );
}

#[test]
fn one_point_makes_one_span_and_no_point_makes_none() {
    assert_eq!(
        outline(&tree(Side::Source, &[Point::Bridge])),
        [("vxlan-lan round trip", 1_000, 1_500)]
    );
    assert_eq!(tree(Side::Source, &[]), []);
}

#[test]
fn a_point_that_seems_earlier_by_rounding_gives_no_negative_span() {
    let mut trip = fixture::round_trip(Side::Source, &[Point::Port, Point::Bridge]);
    trip.sightings[1].rtt = trip.sightings[0].rtt + 1_024;
    let interfaces = fixture::interfaces();
    let context = Context {
        node: "n1",
        path: None,
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(OFFSET, 0),
    };
    for span in spans(&trip, &context) {
        assert!(span.start <= span.end, "{}", span.name);
    }
}

#[test]
fn a_root_says_who_which_road_and_what_was_found() {
    let spans = tree(Side::Source, &[Point::Port, Point::Underlay0]);
    let of = |name| text(&spans[0], name);
    for (name, expected) in [
        (name::NETWORK_TRANSPORT, "tcp"),
        (name::NETWORK_TYPE, "ipv4"),
        (name::SOURCE_ADDRESS, "10.42.1.5"),
        (name::DESTINATION_ADDRESS, "10.42.2.7"),
        (name::NETWORK_LOCAL_ADDRESS, "10.42.1.5"),
        (name::SOURCE_PORT, "number"),
        (name::DESTINATION_PORT, "number"),
        (name::K8S_NAMESPACE_NAME, "shop"),
        (name::K8S_POD_NAME, "web-0"),
        (name::PEER_SERVICE, "n2"),
        (name::SERVICE_PEER_NAME, "n2"),
        (name::CLASS, "vxlan-lan"),
        (name::ENCAP, "vxlan"),
        (name::ENCAP_DEPTH, "number"),
        (name::PROXY, "false"),
        (name::UNDERLAY, "lan"),
        (name::TAILSCALE_MODE, "none"),
        (name::MTU_BOTTLENECK, "flannel.1"),
        (name::MTU_EFFECTIVE, "number"),
        (name::FINDING, "double_encapsulation"),
        (name::FIX, "flannel-iface-lan"),
        (name::CONFIDENCE, "number"),
        (name::SIDES, "number"),
        (name::POINT, "pod"),
    ] {
        assert_eq!(of(name), Some(expected), "{name}");
    }
    let server = tree(Side::Destination, &[Point::Underlay0, Point::Port]);
    assert_eq!(
        text(&server[0], name::NETWORK_LOCAL_ADDRESS),
        Some("10.42.2.7")
    );
    assert_eq!(
        text(&server[0], name::K8S_POD_NAME),
        None,
        "the destination's pod is not known"
    );
    assert_eq!(
        text(&server[0], name::PEER_SERVICE),
        None,
        "for client spans only"
    );
}

#[test]
fn a_node_without_a_name_is_called_by_its_vtep() {
    let mut report = fixture::report();
    report.destination.node = None;
    report.peer = Some([192, 168, 105, 7].into());
    let interfaces = fixture::interfaces();
    let context = Context {
        node: "n1",
        path: Some(&report),
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(OFFSET, 0),
    };
    let trip = fixture::round_trip(Side::Source, &[Point::Port]);
    let root = &spans(&trip, &context)[0];
    for peer in [name::PEER_SERVICE, name::SERVICE_PEER_NAME] {
        assert_eq!(text(root, peer), Some("192.168.105.7"), "{peer}");
    }
    assert_eq!(text(root, name::SIDES), None, "the other node may report");
}

#[test]
fn an_echo_has_no_ports_and_an_unknown_path_no_road() {
    let mut trip = fixture::round_trip(Side::Source, &[Point::Port]);
    trip.protocol = 1;
    let interfaces = fixture::interfaces();
    let context = Context {
        node: "n1",
        path: None,
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(OFFSET, 0),
    };
    let spans = spans(&trip, &context);
    assert_eq!(spans[0].name, "unknown round trip");
    assert_eq!(text(&spans[0], name::NETWORK_TRANSPORT), Some("icmp"));
    for absent in [
        name::SOURCE_PORT,
        name::CLASS,
        name::ENCAP,
        name::SIDES,
        name::FINDING,
    ] {
        assert_eq!(text(&spans[0], absent), None, "{absent}");
    }
}

#[test]
fn a_round_trip_of_dns_says_so_and_others_do_not() {
    let mut trip = fixture::round_trip(Side::Source, &[Point::Port]);
    let interfaces = fixture::interfaces();
    let context = Context {
        node: "n1",
        path: None,
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(OFFSET, 0),
    };
    for (protocol, transport, said) in [(17, "udp", Some("dns")), (6, "tcp", None)] {
        trip.protocol = protocol;
        let spans = spans(&trip, &context);
        let root = &spans[0];
        assert_eq!(text(root, name::NETWORK_TRANSPORT), Some(transport));
        assert_eq!(text(root, name::NETWORK_PROTOCOL_NAME), said);
    }
}

#[test]
fn every_attribute_stands_in_the_table_and_once_on_a_span() {
    let known: HashSet<_> = attribute_table().iter().map(|row| row.name).collect();
    for side in [Side::Source, Side::Destination, Side::Transit] {
        for span in tree(side, &[Point::Port, Point::Tunnel, Point::Underlay2]) {
            let names: HashSet<_> = span.attributes.iter().map(|one| one.name).collect();
            assert_eq!(names.len(), span.attributes.len(), "{}", span.name);
            assert!(names.is_subset(&known), "{:?}", names.difference(&known));
        }
    }
}
