//! What the exporter sends is what the example `otlp_sink` writes down and what the lab reads: the
//! exporter here, the receiver in a process of its own, the lab's reader on its files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use observer::export::metrics::Accumulator;
use observer::export::names::attribute;
use observer::export::otlp::{Drops, Exporter, Handle, Limits, NodeNames, Settings};
use observer::export::span::{Kind, Span};
use observer::export::{Attribute, Ledger, Value};
use observer::path::{Device, Devices};
use observer_ebpf::abi::point::Point;
use tokio::task::JoinHandle;

#[path = "../../xtask/src/sink/arrived.rs"]
#[expect(
    unreachable_pub,
    reason = "xtask includes the same file as a public module"
)]
mod arrived;
#[path = "otlp_sink/by_hand.rs"]
mod by_hand;
#[path = "otlp_sink/sink.rs"]
mod sink;

use arrived::{Lines, Traces, points_by_name, read, spans_by, traces};
use sink::{Folder, Sink, refusal};

/// Begin of the spans: nanoseconds that a float cannot tell apart.
const BEGIN: u64 = 1_700_000_000_000_000_001;

struct Run {
    handle: Handle,
    drops: Arc<Drops>,
    task: JoinHandle<()>,
}

impl Run {
    fn start(endpoint: &str, node: &str) -> Self {
        let names = NodeNames {
            node: node.to_owned(),
            host: "host-1".to_owned(),
            cluster: None,
        };
        let limits = Limits {
            delay: Duration::from_millis(20),
            spans_per_second: u32::MAX,
            ..Limits::default()
        };
        let settings = Settings::read(Some(endpoint), &names, limits, |_| None);
        let settings = settings.expect("settings").expect("an endpoint");
        let drops = Arc::new(Drops::default());
        let (handle, task) = Exporter::start(settings, Arc::clone(&drops));
        Self {
            handle,
            drops,
            task: tokio::spawn(task),
        }
    }

    /// Sends what is queued; how many spans were received and dropped.
    async fn finish(self) -> [u64; 2] {
        drop(self.handle);
        self.task.await.expect("the task ends well");
        [
            self.drops.received(),
            self.drops.made() - self.drops.received(),
        ]
    }
}

fn span(number: u64, kind: Kind, class: Option<&'static str>) -> Span {
    let text = |name, value: &'static str| Attribute {
        name,
        value: Value::Text(value.into()),
    };
    let mut attributes: Vec<_> = class
        .map(|class| text(attribute::CLASS, class))
        .into_iter()
        .collect();
    if kind == Kind::Client {
        attributes.push(text(attribute::SERVICE_PEER_NAME, "n2"));
        attributes.push(Attribute {
            name: attribute::SIDES,
            value: Value::Integer(1),
        });
        attributes.push(Attribute {
            name: attribute::CONFIDENCE,
            value: Value::Real(0.5),
        });
    }
    Span {
        trace_id: [7; 16],
        span_id: (number + 1).to_be_bytes(),
        parent: (kind != Kind::Client).then(|| 1_u64.to_be_bytes()),
        kind,
        name: "way \"a\"\n> b".into(),
        start: BEGIN,
        end: BEGIN + number,
        error: (kind == Kind::Client).then(|| "no reply".into()),
        attributes,
    }
}

#[tokio::test]
async fn every_span_of_both_nodes_is_written_and_read_as_it_was_made() {
    let folder = Folder::new("spans");
    let (spans, metrics) = (folder.file("spans"), folder.file("metrics"));
    let sink = Sink::start(&spans, &metrics);
    let mut made = Vec::new();
    for (node, kind) in [("n1", Kind::Client), ("n2", Kind::Server)] {
        let run = Run::start(&sink.endpoint, node);
        let mut own = vec![span(0, kind, Some("vxlan-lan"))];
        own.extend((1..700).map(|number| span(number, Kind::Internal, None)));
        for span in &own {
            run.handle.send(vec![span.clone()], 0, Duration::ZERO);
        }
        assert_eq!(run.finish().await, [700, 0]);
        made.extend(own.into_iter().map(|span| (node, span)));
    }
    let (well, words) = sink.terminate();
    assert!(well, "{words}");
    assert!(words.contains("1400 spans, 0 points, "), "{words}");
    assert!(words.contains(" 0 refused"), "{words}");
    let Lines {
        read: got,
        unreadable,
    } = read::<arrived::Span>(&folder.text("spans"));
    assert_eq!((got.len(), unreadable), (made.len(), 0));
    for (got, (node, made)) in got.iter().zip(&made) {
        let kind = match made.kind {
            Kind::Client => "client",
            Kind::Server => "server",
            Kind::Internal => "internal",
        };
        assert_eq!(
            (got.node().as_deref(), got.kind.as_str()),
            (Some(*node), kind)
        );
        assert_eq!(got.trace_id, "07".repeat(16));
        assert_eq!(got.id, format!("{:016x}", u64::from_be_bytes(made.span_id)));
        let parent = made
            .parent
            .map(|id| format!("{:016x}", u64::from_be_bytes(id)));
        assert_eq!(got.parent, parent);
        assert_eq!(
            (&*got.name, got.start_unix_nano, got.end_unix_nano),
            (&*made.name, made.start, made.end)
        );
        let error = made
            .error
            .as_deref()
            .map_or(("unset", ""), |why| ("error", why));
        assert_eq!((got.status.as_str(), got.message.as_str()), error);
        assert_eq!(got.attributes.len(), made.attributes.len());
        assert!(got.events.is_empty() && got.links.is_empty());
    }
    let client = &got[0];
    assert_eq!(client.attributes[attribute::CONFIDENCE], 0.5);
    assert_eq!(client.attributes[attribute::SIDES], 1);
    let counts = |name| spans_by(&got, name).into_iter().collect::<Vec<_>>();
    assert_eq!(counts(arrived::CLASS), [("vxlan-lan".to_owned(), 2)]);
    assert_eq!(counts(arrived::SERVICE_PEER_NAME), [("n2".to_owned(), 1)]);
    assert_eq!(counts(arrived::SIDES), [("1".to_owned(), 1)]);
    assert_eq!(
        traces(&got),
        Traces {
            all: 1,
            of_two_nodes: 1
        }
    );
}

#[tokio::test]
async fn every_point_is_written_and_read_as_it_was_made() {
    let folder = Folder::new("points");
    let (spans, metrics) = (folder.file("spans"), folder.file("metrics"));
    let sink = Sink::start(&spans, &metrics);
    let run = Run::start(&sink.endpoint, "n1");
    let device = Device::new("cni0", 1450, std::iter::empty());
    let interfaces: Devices = [(Point::Bridge, device)].into_iter().collect();
    let ledger = Ledger::from([("frames".to_owned(), 7)]);
    let snapshot = Accumulator::new(1_000).collect(2_000, &[], &interfaces, &ledger);
    run.handle.publish(snapshot);
    assert_eq!(run.finish().await, [0, 0]);
    let (well, words) = sink.terminate();
    assert!(well, "{words}");
    assert!(
        words.contains("0 spans, 2 points, 1 requests, 0 refused"),
        "{words}"
    );
    let Lines {
        read: got,
        unreadable,
    } = read::<arrived::Point>(&folder.text("metrics"));
    assert_eq!((got.len(), unreadable), (2, 0));
    let named = points_by_name(&got);
    let mtu = named["netpath.interface.mtu"][0];
    assert_eq!(
        (mtu.kind.as_str(), mtu.unit.as_str(), mtu.value),
        ("gauge", "By", Some(1450.0))
    );
    assert_eq!(mtu.text("network.interface.name").as_deref(), Some("cni0"));
    let frames = named["netpath.observer.frames"][0];
    assert_eq!((frames.kind.as_str(), frames.value), ("counter", Some(7.0)));
    assert_eq!(frames.temporality.as_deref(), Some("cumulative"));
    assert_eq!(
        [frames.start_unix_nano, frames.time_unix_nano],
        [1_000, 2_000]
    );
    assert_eq!(frames.resource[attribute::K8S_NODE_NAME], "n1");
    assert_eq!(folder.text("spans"), "");
}

#[test]
fn the_reader_counts_by_the_names_that_the_agent_writes() {
    let read = [
        arrived::CLASS,
        arrived::ENCAP,
        arrived::TAILSCALE_MODE,
        arrived::SIDES,
        arrived::OUTCOME,
        arrived::SERVICE_PEER_NAME,
        arrived::NODE,
    ];
    let written = [
        attribute::CLASS,
        attribute::ENCAP,
        attribute::TAILSCALE_MODE,
        attribute::SIDES,
        attribute::OUTCOME,
        attribute::SERVICE_PEER_NAME,
        attribute::K8S_NODE_NAME,
    ];
    assert_eq!(read, written);
}

#[tokio::test]
async fn a_file_that_is_full_ends_the_sink_with_its_name() {
    let folder = Folder::new("full");
    let sink = Sink::start(Path::new("/dev/full"), &folder.file("metrics"));
    let run = Run::start(&sink.endpoint, "n1");
    run.handle
        .send(vec![span(0, Kind::Client, None)], 0, Duration::ZERO);
    assert_eq!(run.finish().await, [0, 1]);
    let (well, words) = sink.terminate();
    assert!(!well);
    assert!(
        words.contains("0 spans, 0 points, 1 requests, 1 refused"),
        "{words}"
    );
    assert!(
        words.contains("append to /dev/full: ") && words.contains("free space"),
        "{words}"
    );
}

#[test]
fn a_sink_that_cannot_start_says_what_and_how_to_fix_it() {
    let folder = Folder::new("refusals");
    let (spans, metrics) = (folder.file("spans"), folder.file("metrics"));
    let sink = Sink::start(&spans, &metrics);
    let taken = sink.endpoint.trim_start_matches("http://");
    let words = refusal(taken, &spans, &metrics);
    assert!(
        words.contains(&format!("receive OTLP at {taken}: ")),
        "{words}"
    );
    assert!(
        words.contains("in use") && words.contains("port 0"),
        "{words}"
    );
    let missing = folder.file("missing").join("metrics");
    let words = refusal("127.0.0.1:0", &spans, &missing);
    assert!(
        words.contains(&format!("open {} for appending: ", missing.display())),
        "{words}"
    );
    assert!(words.contains("a folder that can be written"), "{words}");
    let words = refusal("127.0.0.1:0", &spans, &folder.file(".").join("spans"));
    assert!(words.contains("name two files"), "{words}");
    assert!(sink.terminate().0);
}
