//! The spans of a lost packet: names, errors, times, what the root says.

use observer_ebpf::abi::point::Point;

use super::*;
use crate::export::names::{attribute as name, attribute_table};
use crate::export::span::ClockOffset;
use crate::export::{Value, fixture};

const OFFSET: u64 = 1_700_000_000_000_000_000;

fn tree(side: Side, half: Half, points: &[Point], last_seen: Point) -> Vec<Span> {
    let report = fixture::report();
    let interfaces = fixture::interfaces();
    let mut trip = fixture::round_trip(side, points);
    for sighting in &mut trip.sightings {
        sighting.rtt += 4_000_000_000 - sighting.reply_time;
        sighting.reply_time = 4_000_000_000;
    }
    let lost = Lost {
        trip,
        half,
        last_seen,
    };
    let context = Context {
        node: "n1",
        path: Some(&report),
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(OFFSET, 0),
    };
    lost_spans(&lost, &context)
}

fn text<'a>(span: &'a Span, name: &str) -> Option<&'a str> {
    let mut attributes = span.attributes.iter();
    match &attributes.find(|one| one.name == name)?.value {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::Real(_) => Some("number"),
        Value::Flag(flag) => Some(if *flag { "true" } else { "false" }),
    }
}

fn names(spans: &[Span]) -> Vec<(&str, bool)> {
    let spans = spans.iter();
    spans
        .map(|span| (&*span.name, span.error.is_some()))
        .collect()
}

#[test]
fn a_packet_lost_behind_the_wire_is_an_error_there_and_at_the_root() {
    let points = [Point::Port, Point::Overlay, Point::Underlay0];
    let spans = tree(Side::Source, Half::Data, &points, Point::Underlay0);
    assert_eq!(
        names(&spans),
        [
            ("vxlan-lan no reply", true),
            ("pod > overlay", false),
            ("overlay > wire", false),
            ("beyond wire", true),
        ]
    );
    let (root, children) = spans.split_first().expect("a root");
    assert_eq!((root.kind, root.parent), (Kind::Client, None));
    assert!(
        children
            .iter()
            .all(|child| child.parent == Some(root.span_id))
    );
    assert!(spans.iter().all(|span| span.trace_id == root.trace_id));
    assert_eq!(root.end, OFFSET + 4_000_000_000, "given up then");
    assert_eq!(children.last().map(|end| end.end), Some(root.end));
    for (name, expected) in [
        (name::OUTCOME, "no_reply"),
        (name::LAST_SEEN, "underlay"),
        (name::DIRECTION, "data"),
        (name::SIDES, "number"),
        (name::CLASS, "vxlan-lan"),
        (name::SOURCE_ADDRESS, "10.42.1.5"),
    ] {
        assert_eq!(text(root, name), Some(expected), "{name}");
    }
}

#[test]
fn a_packet_that_the_pod_ignores_ends_inside_the_pod() {
    let points = [Point::Underlay0, Point::Overlay, Point::Port];
    let spans = tree(Side::Destination, Half::Data, &points, Point::Port);
    assert_eq!(
        names(&spans),
        [
            ("vxlan-lan no reply", true),
            ("wire > overlay", false),
            ("overlay > pod", false),
            ("inside pod", true),
        ]
    );
    assert_eq!((spans[0].kind, spans[0].parent), (Kind::Server, None));
    assert_eq!(text(&spans[0], name::LAST_SEEN), Some("pod"));
}

#[test]
fn a_reply_lost_inside_the_node_ends_on_its_way_to_the_pod() {
    let points = [Point::Port, Point::Bridge];
    let spans = tree(Side::Source, Half::Reply, &points, Point::Overlay);
    assert_eq!(
        names(&spans),
        [
            ("vxlan-lan no reply", true),
            ("pod > bridge", false),
            ("overlay > bridge", true),
        ]
    );
    assert_eq!(text(&spans[0], name::LAST_SEEN), Some("overlay"));
    assert_eq!(text(&spans[0], name::DIRECTION), Some("reply"));
}

#[test]
fn one_point_has_a_root_and_the_place_where_it_ended() {
    let spans = tree(Side::Source, Half::Data, &[Point::Port], Point::Port);
    assert_eq!(
        names(&spans),
        [("vxlan-lan no reply", true), ("beyond pod", true)]
    );
    assert_eq!(tree(Side::Source, Half::Data, &[], Point::Port), []);
}

#[test]
fn attributes_stand_in_the_table_and_once() {
    let known: Vec<_> = attribute_table().iter().map(|row| row.name).collect();
    for span in tree(
        Side::Source,
        Half::Reply,
        &[Point::Port, Point::Bridge],
        Point::Overlay,
    ) {
        let mut names: Vec<_> = span.attributes.iter().map(|one| one.name).collect();
        assert!(names.iter().all(|name| known.contains(name)));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{}", span.name);
    }
}
