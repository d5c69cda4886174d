//! Lines as the receiver writes them, and what becomes of lines that it never writes.

use super::arrived::{
    CLASS, Lines, Point, SERVICE_PEER_NAME, SIDES, Span, Traces, points_by_name, read, spans_by,
    traces,
};
use super::beside;

const SPANS: &str = r#"{"trace_id":"0a","span_id":"01","parent_span_id":null,"name":"vxlan-lan round trip","kind":"client","start_unix_nano":1700000000000000001,"end_unix_nano":1700000000000500000,"status":"unset","message":"","attributes":{"netpath.class":"vxlan-lan","service.peer.name":"n2"},"events":[],"links":[],"resource":{"k8s.node.name":"n1"}}
{"trace_id":"0a","span_id":"02","parent_span_id":"01","name":"vxlan-lan answer","kind":"server","start_unix_nano":1,"end_unix_nano":2,"status":"unset","message":"","attributes":{"netpath.class":"vxlan-lan"},"events":[{"name":"seen","time_unix_nano":5,"attributes":{}}],"links":[{"trace_id":"0b","span_id":"03","attributes":{}}],"resource":{"k8s.node.name":"n2"}}
{"trace_id":"0b","span_id":"03","parent_span_id":null,"name":"direct no reply","kind":"client","start_unix_nano":1,"end_unix_nano":2,"status":"error","message":"no reply","attributes":{"netpath.class":"direct","netpath.sides":1},"events":[],"links":[],"resource":{"k8s.node.name":"n1"}}
{"trace_id":"0b","span_id":"04","parent_span_id":"03","name":"pod > wire","kind":"internal","start_unix_nano":1,"end_unix_nano":2,"status":"unset","message":"","attributes":{},"events":[],"links":[],"resource":{"k8s.node.name":"n1"}}
"#;

const POINTS: &str = r#"{"name":"netpath.rtt","unit":"s","kind":"histogram","temporality":"cumulative","start_unix_nano":1,"time_unix_nano":2,"attributes":{"netpath.class":"vxlan-lan"},"count":9,"sum":0.0045,"resource":{}}
{"name":"netpath.packets","unit":"{packet}","kind":"counter","temporality":"cumulative","start_unix_nano":1,"time_unix_nano":2,"attributes":{},"value":120,"resource":{}}
{"name":"netpath.packets","unit":"{packet}","kind":"counter","temporality":"cumulative","start_unix_nano":1,"time_unix_nano":3,"attributes":{},"value":150,"resource":{}}
"#;

#[test]
fn spans_are_read_whole() {
    let Lines { read, unreadable } = read::<Span>(SPANS);
    assert_eq!((read.len(), unreadable), (4, 0));
    assert_eq!(read[0].start_unix_nano, 1_700_000_000_000_000_001);
    assert_eq!(
        (read[0].kind.as_str(), read[0].status.as_str()),
        ("client", "unset")
    );
    assert_eq!(read[0].parent, None);
    assert_eq!(read[1].parent.as_deref(), Some("01"));
    assert_eq!(
        (
            read[1].events[0].name.as_str(),
            read[1].events[0].time_unix_nano
        ),
        ("seen", 5)
    );
    assert_eq!(read[1].links[0].trace_id, "0b");
    assert_eq!(read[1].node().as_deref(), Some("n2"));
    assert_eq!(
        (read[2].status.as_str(), read[2].message.as_str()),
        ("error", "no reply")
    );
}

#[test]
fn spans_are_counted_by_the_value_of_an_attribute() {
    let spans = read::<Span>(SPANS).read;
    let by = |attribute| spans_by(&spans, attribute).into_iter().collect::<Vec<_>>();
    assert_eq!(
        by(CLASS),
        [("direct".to_owned(), 1), ("vxlan-lan".to_owned(), 2)]
    );
    assert_eq!(by(SIDES), [("1".to_owned(), 1)], "numbers as text");
    assert_eq!(by(SERVICE_PEER_NAME), [("n2".to_owned(), 1)]);
    assert_eq!(by("netpath.nothing"), []);
}

#[test]
fn a_trace_of_two_nodes_has_spans_of_both_agents() {
    let spans = read::<Span>(SPANS).read;
    let counted = traces(&spans);
    assert_eq!(
        counted,
        Traces {
            all: 2,
            of_two_nodes: 1
        }
    );
    assert_eq!(
        traces(&spans[2..]),
        Traces {
            all: 1,
            of_two_nodes: 0
        }
    );
    assert_eq!(traces(&[]), Traces::default());
}

#[test]
fn points_stand_by_their_metric_in_order() {
    let points = read::<Point>(POINTS).read;
    let named = points_by_name(&points);
    let names: Vec<_> = named.keys().copied().collect();
    assert_eq!(names, ["netpath.packets", "netpath.rtt"]);
    let values: Vec<_> = named["netpath.packets"]
        .iter()
        .map(|point| point.value)
        .collect();
    assert_eq!(values, [Some(120.0), Some(150.0)]);
    let rtt = named["netpath.rtt"][0];
    assert_eq!(
        (rtt.count, rtt.sum, rtt.value),
        (Some(9), Some(0.0045), None)
    );
    assert_eq!(rtt.text(CLASS).as_deref(), Some("vxlan-lan"));
    assert_eq!(rtt.temporality.as_deref(), Some("cumulative"));
}

#[test]
fn what_cannot_be_read_is_counted_and_what_is_missing_is_empty() {
    let cut = &SPANS[..SPANS.len() - 20];
    let lines = read::<Span>(cut);
    assert_eq!(
        (lines.read.len(), lines.unreadable),
        (3, 1),
        "a line cut short"
    );
    let lines = read::<Span>("{}\n[1]\nwords\n\n{\"name\":7}\n{\"kind\":\"server\",\"new\":1}\n");
    assert_eq!((lines.read.len(), lines.unreadable), (2, 4));
    assert_eq!(lines.read[0], Span::default());
    assert_eq!(lines.read[1].kind, "server");
    assert_eq!(lines.read[0].node(), None);
    assert_eq!(read::<Point>("").read, []);
}

#[test]
fn the_receiver_lies_in_the_folder_of_examples() {
    let program = beside("/t/target/debug/observer".as_ref());
    assert_eq!(
        program,
        std::path::Path::new("/t/target/debug/examples/otlp_sink")
    );
}
