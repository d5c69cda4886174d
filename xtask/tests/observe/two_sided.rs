//! Round trips of both nodes' agents, as a collector gets them: two sides each, one trace, and
//! children that fill each side without a gap.

use std::collections::{BTreeMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use xtask::lab::{Node, Pod, Scenario};
use xtask::traffic::{Load, PingPong, Until};

use super::agent::{Agent, PATIENCE};
use super::bench::{lab, options, turn, with_load};
use super::collector::{Arrived, Collector};

/// Traces that a judgement needs.
const TRACES: usize = 200;
/// Of them so many in a hundred have both sides.
const WHOLE: usize = 95;
/// Connections at once, half of them in each direction: more than the span cap lets through.
const CONNECTIONS: usize = 4;
/// Sweeps without a loss after which no more are expected.
const CALM: u32 = 5;
/// What a side's children may miss of it or add: armed times are rounded to 1,024 ns at each point.
const ROUNDING: f64 = 0.006;

#[test]
fn traces_have_two_sides_over_vxlan() {
    let sites = ["pod", "bridge", "overlay", "wire"];
    check(
        "two_sided::traces_have_two_sides_over_vxlan",
        Scenario::H2,
        &sites,
    );
}

#[test]
fn traces_have_two_sides_in_the_tunnel() {
    let sites = ["pod", "bridge", "overlay", "tunnel"];
    check(
        "two_sided::traces_have_two_sides_in_the_tunnel",
        Scenario::S1,
        &sites,
    );
}

/// The kernel's budget cuts each node's records as they come; so the share is lowered until it fits.
#[test]
fn the_share_of_round_trips_is_lowered_until_the_budget_suffices() {
    let test = "two_sided::the_share_of_round_trips_is_lowered_until_the_budget_suffices";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "pace"));
    let nodes = [&lab.nodes()[0], &lab.nodes()[1]];
    let collectors = nodes.map(|node| Collector::start(&node.netns));
    let agents = agents(nodes, &collectors, "2");
    let ends = nodes.map(|node| &node.pods[0]);
    with_load(&loads(ends), || {
        for agent in &agents {
            let (mut lost, mut calm) = (0, 0);
            agent.await_sweep("records that all fit", |sweep| {
                let before = std::mem::replace(&mut lost, sweep.ledger.get("round_trip_budget"));
                calm = if lost == before { calm + 1 } else { 0 };
                lost > 0 && calm >= CALM
            });
        }
    });
    for agent in agents {
        let errors = agent.end().errors;
        assert!(errors.contains("round trips are selected"), "{errors}");
    }
}

fn check(test: &str, scenario: Scenario, points: &[&str]) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(scenario, "sides"));
    let nodes = [&lab.nodes()[0], &lab.nodes()[1]];
    let collectors = nodes.map(|node| Collector::start(&node.netns));
    let arrived = || -> Vec<Arrived> { collectors.iter().flat_map(Collector::spans).collect() };
    let agents = agents(nodes, &collectors, "64");
    let ends = nodes.map(|node| &node.pods[0]);
    with_load(&loads(ends), || {
        let deadline = Instant::now() + 3 * PATIENCE;
        while traces(&arrived()).len() < TRACES {
            assert!(Instant::now() < deadline, "too few traces");
            thread::sleep(Duration::from_millis(500));
        }
    });
    for agent in agents {
        let ended = agent.end();
        let ledger = &ended.last().ledger;
        assert_eq!(ledger.get("ambiguous") + ledger.get("unmatched"), 0);
        assert!(ledger.reason("span_dropped", "rate") > 0, "the cap cuts");
    }
    let arrived = arrived();
    let traces = traces(&arrived);
    let mut sides: BTreeMap<String, usize> = BTreeMap::new();
    let mut whole = 0;
    for trace in traces.values() {
        let roots = [SpanKind::Client, SpanKind::Server].map(|kind| {
            trace
                .iter()
                .filter(|span| span.is(kind))
                .collect::<Vec<_>>()
        });
        let shape = roots
            .iter()
            .map(|roots| roots.iter().map(|span| &*span.node).collect::<Vec<_>>());
        let shape: Vec<_> = shape.collect();
        *sides.entry(format!("{shape:?}")).or_default() += 1;
        let [client, server] = &roots;
        if let ([client], [server]) = (client.as_slice(), server.as_slice()) {
            two_sides(client, server, trace, &nodes, points);
            whole += 1;
        }
    }
    eprintln!(
        "{whole} of {} traces have two sides; [clients, servers]: {sides:#?}",
        traces.len()
    );
    assert!(whole * 100 >= traces.len() * WHOLE, "{sides:#?}");
    let sources = sides.keys().filter(|shape| !shape.contains("[]"));
    assert_eq!(sources.count(), 2, "data of both nodes: {sides:#?}");
}

/// An agent on each node that sends to the collector there.
fn agents(nodes: [&Node; 2], collectors: &[Collector; 2], one_in: &str) -> [Agent; 2] {
    [0, 1].map(|side| {
        let endpoint = collectors[side].endpoint();
        let arguments = ["--sample-one-in", one_in, "--otlp", &endpoint];
        let agent = Agent::start(&nodes[side].netns, &nodes[side].name, &arguments);
        agent.await_attached();
        agent
    })
}

/// Connections between two pods, half of them opened by each.
fn loads(ends: [&Pod; 2]) -> Vec<Load> {
    let load = |number| {
        let [client, server] = if number % 2 == 0 {
            ends
        } else {
            [ends[1], ends[0]]
        };
        let until = Until::Elapsed(Duration::from_mins(2));
        let load = PingPong::new(client.into(), server.into(), until);
        let think = Duration::from_millis(1);
        Load::PingPong(PingPong { think, ..load })
    };
    (0..CONNECTIONS).map(load).collect()
}

/// Spans by trace; each span once.
fn traces(spans: &[Arrived]) -> BTreeMap<&[u8], Vec<&Arrived>> {
    let mut traces: BTreeMap<&[u8], Vec<&Arrived>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.span.trace_id).or_default().push(span);
    }
    traces
}

/// A whole trace: who reports which side, parents, times, segments.
fn two_sides(
    client: &Arrived,
    server: &Arrived,
    trace: &[&Arrived],
    nodes: &[&Node; 2],
    points: &[&str],
) {
    let [source, destination] = ["source.address", "destination.address"].map(|name| {
        let address = client.text(name);
        assert_eq!(server.text(name), address);
        let has_it = |node: &&&Node| node.pods[0].address.to_string() == address;
        *nodes.iter().find(has_it).expect("a pod of the two nodes")
    });
    assert_eq!(
        [&client.node, &server.node],
        [&source.name, &destination.name]
    );
    assert_eq!(client.span.parent_span_id, Vec::<u8>::new());
    assert_eq!(server.span.parent_span_id, client.span.span_id);
    assert!(server.millis() <= client.millis() + ROUNDING, "{trace:#?}");
    let peer = client.text("service.peer.name");
    let devices = destination.devices.iter().map(|device| device.address);
    let mut addresses = devices.chain([destination.tailnet.address]);
    let is_peer = addresses.any(|address| address.to_string() == peer);
    assert!(is_peer, "`{peer}` is no address of {}", destination.name);
    assert_eq!(client.text("peer.service"), peer);
    assert_eq!(
        [client, server].map(|root| root.text("netpath.sides")),
        [""; 2]
    );
    let ids: HashSet<_> = trace.iter().map(|span| &span.span.span_id).collect();
    assert_eq!(ids.len(), trace.len(), "ids are unique: {trace:#?}");
    let mut inwards: Vec<&str> = points.to_vec();
    inwards.reverse();
    let end = format!("beyond {}", inwards[0]);
    fill(client, trace, &segments(points, &end));
    fill(server, trace, &segments(&inwards, "inside pod"));
    assert_eq!(
        trace.len(),
        2 * (1 + 2 * (points.len() - 1) + 1),
        "{trace:#?}"
    );
}

/// Names of a side's children in the order of time.
fn segments(points: &[&str], end: &str) -> Vec<String> {
    let there = points
        .windows(2)
        .map(|pair| format!("{} > {}", pair[0], pair[1]));
    let back = points
        .windows(2)
        .rev()
        .map(|pair| format!("{} > {}", pair[1], pair[0]));
    there.chain([end.to_owned()]).chain(back).collect()
}

/// The children of a root lie in it, follow one another and add up to it.
fn fill(root: &Arrived, trace: &[&Arrived], names: &[String]) {
    let is_child = |span: &&&Arrived| {
        span.is(SpanKind::Internal) && span.span.parent_span_id == root.span.span_id
    };
    let children: Vec<_> = trace.iter().filter(is_child).collect();
    let named = |name: &String| {
        let mut named = children.iter().filter(|span| span.span.name == *name);
        let (Some(one), None) = (named.next(), named.next()) else {
            panic!("one child `{name}` of {}: {trace:#?}", root.node)
        };
        assert_eq!(one.node, root.node);
        *one
    };
    let in_order: Vec<_> = names.iter().map(named).collect();
    assert_eq!(children.len(), names.len(), "{trace:#?}");
    // A time that is rounded may lie a little outside.
    let (start, end) = (root.span.start_time_unix_nano, root.span.end_time_unix_nano);
    for child in &in_order {
        let slack = 2_048;
        assert!(
            child.span.start_time_unix_nano + slack >= start,
            "{trace:#?}"
        );
        assert!(child.span.end_time_unix_nano <= end + slack, "{trace:#?}");
    }
    let sum: f64 = in_order.iter().map(|child| child.millis()).sum();
    assert!(
        (sum - root.millis()).abs() <= ROUNDING,
        "{sum} ms: {trace:#?}"
    );
}
