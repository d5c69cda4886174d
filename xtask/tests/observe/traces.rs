//! Both agents' spans of one round trip lie in one trace, whoever sent the data: the answer of the
//! destination's node is a child of the round trip of the source's node.

use std::collections::BTreeMap;
use std::time::Duration;

use xtask::lab::topology::Family;
use xtask::lab::{Pod, Scenario};
use xtask::traffic::{Ping, PingPong, Place, Stop, Until};

use super::bench::{agents_on, lab, options, turn};
use super::output::Span;

/// Exchanges; one round trip each way.
const EXCHANGES: u64 = 60;
/// Echo requests.
const PINGS: u32 = 30;
/// Round trips are timed in ticks of so many milliseconds.
const TICK: f64 = 0.001_024;

#[test]
fn spans_of_both_nodes_make_one_trace_over_vxlan() {
    check(
        "traces::spans_of_both_nodes_make_one_trace_over_vxlan",
        Scenario::H2,
        Family::Four,
        1,
    );
}

#[test]
fn spans_of_both_nodes_make_one_trace_in_the_tunnel() {
    check(
        "traces::spans_of_both_nodes_make_one_trace_in_the_tunnel",
        Scenario::S1,
        Family::Four,
        4,
    );
}

#[test]
fn spans_of_both_nodes_make_one_trace_over_vxlan_of_ipv6() {
    check(
        "traces::spans_of_both_nodes_make_one_trace_over_vxlan_of_ipv6",
        Scenario::H2v6,
        Family::Six,
        1,
    );
}

#[test]
fn spans_of_both_nodes_make_one_trace_in_the_tunnel_over_ipv6() {
    check(
        "traces::spans_of_both_nodes_make_one_trace_in_the_tunnel_over_ipv6",
        Scenario::S1v6,
        Family::Six,
        4,
    );
}

#[test]
fn spans_of_both_nodes_make_one_trace_by_a_subnet_route_of_ipv6() {
    check(
        "traces::spans_of_both_nodes_make_one_trace_by_a_subnet_route_of_ipv6",
        Scenario::S6v6,
        Family::Six,
        1,
    );
}

fn check(test: &str, scenario: Scenario, family: Family, one_in: u32) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(scenario, "trace"));
    let mut nodes: Vec<_> = lab.nodes().iter().collect();
    fastrand::shuffle(&mut nodes);
    nodes.truncate(2);
    let sampled = ["--sample-one-in", &one_in.to_string()];
    let agents = agents_on(nodes.iter().copied(), &sampled);
    let [client, server] = [0, 1].map(|place| &nodes[place].pods[0]);
    let place = |pod: &Pod| Place::of(pod, family).expect("an address");
    let address = |pod: &Pod| place(pod).address.to_string();
    PingPong {
        // Well below 1,000 records a second, the budget of all points together.
        think: Duration::from_millis(14),
        ..PingPong::new(place(client), place(server), Until::Count(EXCHANGES))
    }
    .drive(&Stop::default())
    .expect("exchange");
    let ping = Ping::new(place(server), place(client).address, PINGS);
    assert_eq!(ping.drive(&Stop::default()).expect("ping").received, PINGS);
    let spans: Vec<(String, Span)> = agents
        .into_iter()
        .flat_map(|agent| {
            let node = agent.node().to_owned();
            let ended = agent.end();
            assert_eq!(ended.last().ledger.get("round_trip_budget"), 0);
            let spans = ended.spans.into_iter();
            spans
                .map(move |span| (node.clone(), span))
                .collect::<Vec<_>>()
        })
        .collect();
    let node = |pod: &Pod| pod.name[..2].to_owned();
    let mut made = BTreeMap::new();
    for (node, span) in &spans {
        let key = (node, &span.kind, text(span, "network.transport"));
        *made.entry(key).or_insert(0) += 1;
    }
    eprintln!("spans: {made:?}");
    let mut whole = BTreeMap::new();
    for trace in traces(&spans).values() {
        let kinds = |kind| trace.iter().filter(move |(_, span)| span.kind == kind);
        let (clients, servers): (Vec<_>, Vec<_>) =
            (kinds("client").collect(), kinds("server").collect());
        assert!(clients.len() <= 1 && servers.len() <= 1, "{trace:#?}");
        let ([(from, round_trip)], [(to, answer)]) = (clients.as_slice(), servers.as_slice())
        else {
            continue;
        };
        let transport = text(round_trip, "network.transport");
        let pods = [client, server].map(address);
        let ends = ["source.address", "destination.address"].map(|name| text(round_trip, name));
        let [source, destination] = if ends == pods {
            [client, server]
        } else {
            [server, client]
        };
        assert_eq!(ends, [source, destination].map(address));
        assert_eq!(
            [from, to],
            [&node(source), &node(destination)],
            "{trace:#?}"
        );
        assert_eq!(answer.parent.as_ref(), Some(&round_trip.id));
        assert_eq!(round_trip.parent, None);
        let fits = answer.duration_ms <= round_trip.duration_ms + TICK;
        assert!(fits, "the answer is a part of the round trip: {trace:#?}");
        assert_eq!(text(answer, "source.address"), ends[0]);
        *whole.entry((transport, from.clone())).or_insert(0) += 1;
    }
    eprintln!("whole traces: {whole:?}");
    let whole = |transport: &str, pod| {
        let key = (transport.to_owned(), node(pod));
        whole.get(&key).copied().unwrap_or(0_u64)
    };
    let tcp = EXCHANGES / u64::from(one_in) / 3;
    assert!(
        whole("tcp", client) >= tcp,
        "round trips of the client's data"
    );
    assert!(
        whole("tcp", server) >= tcp,
        "round trips of the server's data"
    );
    assert_eq!(
        whole("icmp", server),
        u64::from(PINGS),
        "one trace per echo"
    );
}

type Traces<'a> = BTreeMap<&'a str, Vec<&'a (String, Span)>>;

/// Spans by trace.
fn traces(spans: &[(String, Span)]) -> Traces<'_> {
    let mut traces = Traces::new();
    for span in spans {
        traces.entry(span.1.trace.as_str()).or_default().push(span);
    }
    traces
}

fn text(span: &Span, name: &str) -> String {
    let value = span.attributes.get(name).and_then(|value| value.as_str());
    value.unwrap_or_default().to_owned()
}
