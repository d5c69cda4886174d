//! The median round-trip time at the pod is the one that the sockets of the same flow know.

use xtask::lab::{Lab, Options, Pod, Scenario};
use xtask::traffic::{PingPong, Place, Stop, TcpSide, Until};

use super::agent::Agent;
use super::bench::{agents, lab, options, turn};

/// Exchanges per connection.
const EXCHANGES: u64 = 1500;
/// Samples that a median needs.
const SAMPLES: u64 = 50;

#[test]
fn median_at_the_pod_is_that_of_tcp_info_in_h2() {
    check(
        "round_trips::median_at_the_pod_is_that_of_tcp_info_in_h2",
        Scenario::H2,
    );
}

#[test]
fn median_at_the_pod_is_that_of_tcp_info_in_s1() {
    check(
        "round_trips::median_at_the_pod_is_that_of_tcp_info_in_s1",
        Scenario::S1,
    );
}

/// Connections one after the other, each between pods that had none before. The socket's value is
/// smoothed: one pause of a busy machine lifts it for dozens of exchanges, but not the median. So
/// one connection has to agree at both ends; a wrong clock agrees with none.
fn check(test: &str, scenario: Scenario) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        pods_per_node: 2,
        ..options(scenario, "rtt")
    });
    let agents = agents(&lab, &[]);
    let mut compared = Vec::new();
    for (client, server) in pairs(&lab) {
        let [from, to] = [client, server].map(|(_, pod)| Place::from(pod));
        let report = PingPong::new(from, to, Until::Count(EXCHANGES))
            .drive(&Stop::default())
            .expect("exchange");
        let ends = [
            compare(&agents[client.0], [client.1, server.1], report.client),
            compare(&agents[server.0], [server.1, client.1], report.server),
        ];
        compared.push(ends);
        if ends.iter().all(Compared::agrees) {
            eprintln!("agreed: {compared:?}");
            return;
        }
    }
    panic!("no connection agrees: {compared:?}");
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
fn compare(agent: &Agent, [from, to]: [&Pod; 2], socket: TcpSide) -> Compared {
    let sweep = agent.next_sweep();
    let path = sweep
        .path(from.address, to.address)
        .expect("the path is named");
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
