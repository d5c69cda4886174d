//! The median round-trip time at the pod is the one that the sockets of the same flow know.

use std::net::IpAddr;
use std::time::Duration;

use xtask::lab::topology::Family;
use xtask::lab::{Lab, Options, Pod, Scenario, WireId};
use xtask::traffic::{PingPong, Place, Stop, TcpSide, Until};

use super::agent::Agent;
use super::bench::{agents, lab, options, turn};

/// Length of a connection; one round trip per millisecond is timed at most.
const LENGTH: Duration = Duration::from_millis(700);
/// Samples that a median needs.
const SAMPLES: u64 = 50;
/// Above all connections that no delay was put into, microseconds.
const LONG: f64 = 4_000.0;

#[test]
fn median_at_the_pod_is_that_of_tcp_info_in_h2() {
    let test = "round_trips::median_at_the_pod_is_that_of_tcp_info_in_h2";
    check_behind_a_slow_wire(test, Scenario::H2, Family::Four);
}

#[test]
fn median_at_the_pod_is_that_of_tcp_info_in_h2v6() {
    let test = "round_trips::median_at_the_pod_is_that_of_tcp_info_in_h2v6";
    check_behind_a_slow_wire(test, Scenario::H2v6, Family::Six);
}

/// With 4 ms more on n1's wire there and back.
fn check_behind_a_slow_wire(test: &str, scenario: Scenario, family: Family) {
    let Some(_turn) = turn(test) else { return };
    let wire = WireId {
        node: "n1".into(),
        device: "lima0".into(),
    };
    let lab = lab(Options {
        delay_boxes: vec![wire.clone()],
        pods_per_node: 2,
        ..options(scenario, "rtt")
    });
    let half = Duration::from_millis(2);
    lab.set_wire_delay(&wire, half).expect("delay");
    check(&lab, family);
}

#[test]
fn median_at_the_pod_is_that_of_tcp_info_in_s1v6() {
    let test = "round_trips::median_at_the_pod_is_that_of_tcp_info_in_s1v6";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        pods_per_node: 2,
        ..options(Scenario::S1v6, "rtt")
    });
    let delay = Duration::from_millis(4);
    lab.set_tunnel_delay("n1", delay).expect("delay");
    check(&lab, Family::Six);
}

#[test]
fn median_at_the_pod_is_that_of_tcp_info_in_s1() {
    let test = "round_trips::median_at_the_pod_is_that_of_tcp_info_in_s1";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        pods_per_node: 2,
        ..options(Scenario::S1, "rtt")
    });
    let delay = Duration::from_millis(4);
    lab.set_tunnel_delay("n1", delay).expect("delay");
    check(&lab, Family::Four);
}

/// Connections one after the other, each between pods that had none before: those of n1 take some
/// milliseconds, the others far less. The socket's value is smoothed: one pause of a busy machine
/// lifts it for dozens of exchanges, but not the median. So one connection of each kind has to agree
/// at both ends; a wrong clock agrees with none.
fn check(lab: &Lab, family: Family) {
    let agents = agents(lab, &[]);
    let mut compared = Vec::new();
    for is_long in [true, false] {
        let pairs = pairs(lab).into_iter();
        let mut kind = pairs.filter(|(client, _)| (client.0 == 0) == is_long);
        let agrees = kind.any(|(client, server)| {
            let ends = connection(&agents, client, server, family);
            compared.push(ends);
            let is_kind = ends.iter().all(|end| (end.socket > LONG) == is_long);
            is_kind && ends.iter().all(Compared::agrees)
        });
        assert!(agrees, "no connection agrees, long {is_long}: {compared:?}");
    }
    eprintln!("{compared:?}");
}

/// Both directions of one connection.
fn connection(agents: &[Agent], client: End<'_>, server: End<'_>, family: Family) -> [Compared; 2] {
    let [from, to] = [client, server].map(|(_, pod)| Place::of(pod, family).expect("an address"));
    let ends = [from.address, to.address];
    let report = PingPong::new(from, to, Until::Elapsed(LENGTH))
        .drive(&Stop::default())
        .expect("exchange");
    [
        compare(&agents[client.0], ends, report.client),
        compare(&agents[server.0], [ends[1], ends[0]], report.server),
    ]
}

/// One direction of one connection, microseconds.
#[derive(Debug, Clone, Copy)]
struct Compared {
    observer: f64,
    socket: f64,
}

impl Compared {
    fn agrees(&self) -> bool {
        (self.observer - self.socket).abs() <= (self.socket / 10.0).max(50.0)
    }
}

/// What the sender's node says of the data that this side sent.
fn compare(agent: &Agent, [from, to]: [IpAddr; 2], socket: TcpSide) -> Compared {
    let sweep = agent.next_sweep();
    let path = sweep.path(from, to).expect("the path is named");
    let pod = path.rtt("pod").expect("round trips at the pod");
    assert!(pod.count >= SAMPLES, "{path:?}");
    Compared {
        observer: pod.p50 * 1e3,
        socket: socket.rtt.p50_us,
    }
}

/// A pod and the place of its node.
type End<'a> = (usize, &'a Pod);

/// Pods of different nodes, each pair once.
fn pairs(lab: &Lab) -> Vec<(End<'_>, End<'_>)> {
    let nodes = lab.nodes().iter().enumerate();
    let pods: Vec<End> = nodes
        .flat_map(|(place, node)| node.pods.iter().map(move |pod| (place, pod)))
        .collect();
    let pairs = pods
        .iter()
        .flat_map(|&one| pods.iter().map(move |&other| (one, other)));
    pairs.filter(|(one, other)| one.0 < other.0).collect()
}
