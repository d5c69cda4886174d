//! A delay at one place appears in the one child span that covers the place, and in no other child
//! of its trace.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use xtask::lab::topology::BRIDGE;
use xtask::lab::{Lab, Node, Scenario, netns};
use xtask::skip;
use xtask::traffic::{PingPong, Stop, Until};

use super::bench::{agents_on, lab, options, turn};
use super::output::Span;

/// What the delayed child takes at least, milliseconds.
const DELAY: f64 = 20.0;
/// What all others stay below on a busy machine.
const BETWEEN: f64 = 12.0;
/// Exchanges.
const EXCHANGES: u64 = 60;
/// Whole traces that a judgement needs.
const TRACES: usize = 20;
/// Of them so many in a hundred are as said: the others met a busy processor.
const ALIKE: usize = 90;

/// Where the delay must be: kind of the parent, name of the child.
type Place = (&'static str, &'static str);

#[test]
fn delay_at_the_pod_is_between_bridge_and_pod() {
    let test = "segments::delay_at_the_pod_is_between_bridge_and_pod";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "pod"));
    let [slow, other] = two(&lab);
    // Behind cni0's hook, on the way into the pod: its data is not held up, the answers to it are.
    if !slow_queue(&lab, &slow.name) {
        return skip::skip(test, "this kernel has no token bucket (NET_SCH_TBF)");
    }
    let spans = exchange([slow, other]);
    judge(&spans, slow, ("client", "bridge > pod"));
    judge(&spans, other, ("server", "bridge > pod"));
}

#[test]
fn delay_of_the_tunnel_is_beyond_it() {
    let test = "segments::delay_of_the_tunnel_is_beyond_it";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S1, "beyond"));
    let [slow, other] = two(&lab);
    lab.set_tunnel_delay(&slow.name, Duration::from_millis(20))
        .expect("delay");
    let spans = exchange([slow, other]);
    // Behind the device on the way there, and on the way back before it comes to the other node.
    for source in [slow, other] {
        judge(&spans, source, ("client", "beyond tunnel"));
    }
}

#[test]
fn delay_of_the_far_pod_is_inside_it() {
    let test = "segments::delay_of_the_far_pod_is_inside_it";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "far"));
    let [near, far] = two(&lab);
    let agents = agents_on([near, far].into_iter(), &["--sample-one-in", "1"]);
    let listener = netns::within(&far.pods[0].netns, || {
        TcpListener::bind((far.pods[0].address, 0)).expect("bind")
    });
    let listener = listener.expect("namespace");
    let address = listener.local_addr().expect("address");
    let think = Duration::from_millis(25);
    let server = thread::spawn(move || answer_slowly(&listener, think));
    netns::within(&near.pods[0].netns, || {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_nodelay(true).expect("no delay");
        for _ in 0..EXCHANGES {
            stream.write_all(&[b'q'; 64]).expect("ask");
            stream.read_exact(&mut [0; 64]).expect("hear");
        }
    })
    .expect("namespace");
    server.join().expect("server");
    let spans: Vec<_> = agents
        .into_iter()
        .flat_map(|agent| agent.end().spans)
        .collect();
    judge(&spans, near, ("server", "inside pod"));
}

/// Two nodes, either one first.
fn two(lab: &Lab) -> [&Node; 2] {
    let mut nodes = [&lab.nodes()[0], &lab.nodes()[1]];
    if fastrand::bool() {
        nodes.reverse();
    }
    nodes
}

/// A bucket behind the pod bridge that lets a small packet pass every 25 ms; false if the kernel has
/// none.
fn slow_queue(lab: &Lab, node: &str) -> bool {
    // 64 bytes in TCP with timestamps in IP in Ethernet, 40 a second.
    let rate = format!("{}bit", (64 + 52 + 14) * 40 * 8);
    let argv = [
        "tc", "qdisc", "add", "dev", BRIDGE, "root", "tbf", "rate", &rate, "burst", "1540",
        "limit", "100000",
    ];
    let mut tc = lab.command(node, &argv).expect("node");
    tc.status().expect("tc of iproute2").success()
}

fn answer_slowly(listener: &TcpListener, think: Duration) {
    let (mut stream, _) = listener.accept().expect("accept");
    stream.set_nodelay(true).expect("no delay");
    let mut request = [0; 64];
    while stream.read_exact(&mut request).is_ok() {
        thread::sleep(think);
        stream.write_all(&request).expect("answer");
    }
}

/// Exchanges between the first pods of two nodes, and the spans that both agents make of them.
fn exchange(nodes: [&Node; 2]) -> Vec<Span> {
    let agents = agents_on(nodes.into_iter(), &["--sample-one-in", "1"]);
    let [client, server] = nodes.map(|node| &node.pods[0]);
    let load = PingPong::new(client.into(), server.into(), Until::Count(EXCHANGES));
    load.drive(&Stop::default()).expect("exchange");
    agents
        .into_iter()
        .flat_map(|agent| agent.end().spans)
        .collect()
}

/// Spans of those traces whose client took the delay. Not all do: a queue lets its first packets
/// pass, and the kernel of a slow pod acknowledges the first requests at once.
fn slow_traces(spans: &[Span]) -> Vec<Span> {
    let is_slow = |root: &&Span| root.kind == "client" && root.duration_ms >= DELAY;
    let slow: Vec<&str> = spans
        .iter()
        .filter(is_slow)
        .map(|root| &*root.trace)
        .collect();
    let is_of = |span: &&Span| slow.contains(&span.trace.as_str());
    spans.iter().filter(is_of).cloned().collect()
}

/// Of the data that `source` sent: the delay is in this child, and in no other of the trace.
fn judge(spans: &[Span], source: &Node, place: Place) {
    let address = source.pods[0].address.to_string();
    let mut traces: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    let slow = slow_traces(spans);
    for span in &slow {
        traces.entry(&span.trace).or_default().push(span);
    }
    let is_whole = |trace: &&Vec<&Span>| {
        let root = |kind| trace.iter().find(|span| span.kind == kind);
        root("server").is_some()
            && root("client").is_some_and(|client| client.attributes["source.address"] == address)
    };
    let whole: Vec<_> = traces.values().filter(is_whole).collect();
    assert!(
        whole.len() >= TRACES,
        "{} whole traces of {address}",
        whole.len()
    );
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for trace in &whole {
        let kind = |id: &str| {
            let parent = trace.iter().find(|span| span.id == id);
            parent.map_or("none", |parent| parent.kind.as_str())
        };
        let children = trace.iter().filter(|span| span.kind == "internal");
        let slow = children.filter(|child| child.duration_ms >= BETWEEN);
        let slow: Vec<_> = slow
            .filter_map(|child| {
                let parent = kind(child.parent.as_deref()?);
                // What lies beyond the client's node holds the server's part of the trace.
                let holds = place.0 == "server" && child.name.starts_with("beyond");
                (!holds).then(|| format!("{parent}: {}", child.name))
            })
            .collect();
        *shapes.entry(slow.join(", ")).or_default() += 1;
    }
    let wanted = format!("{}: {}", place.0, place.1);
    let alike = shapes.get(&wanted).copied().unwrap_or(0);
    eprintln!("slow children of data of {}: {shapes:#?}", source.name);
    assert!(
        alike * 100 >= whole.len() * ALIKE,
        "not {wanted}: {shapes:#?}"
    );
}
