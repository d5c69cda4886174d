//! The first spans of a path say as much of its way as the later ones, also where an agent that was
//! late finds its packets and the time for a sweep at once.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use xtask::lab::{Lab, Node, Options, Pod, Scenario};
use xtask::traffic::{PingPong, Stop, Until};

use super::agent::Ended;
use super::bench::{agents, lab, options, turn};
use super::output::Span;

/// Between two sweeps: longer than round trips wait for their records.
const INTERVAL: &str = "800ms";
/// Pairs that begin while the agents are held.
const TOGETHER: usize = 8;
/// How long they are held: longer than [`INTERVAL`], so that a sweep is due when they go on.
const HELD: Duration = Duration::from_millis(850);
/// How long each pair exchanges messages.
const LENGTH: Duration = Duration::from_millis(1_500);

#[test]
fn the_first_round_trips_of_a_path_name_its_class_and_its_peer() {
    let test = "first_spans::the_first_round_trips_of_a_path_name_its_class_and_its_peer";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        pods_per_node: 4,
        ..options(Scenario::H2, "first")
    });
    let agents = agents(&lab, &["--interval", INTERVAL, "--sample-one-in", "16"]);
    let pairs = pairs(&lab);
    for begun_together in pairs.chunks(TOGETHER) {
        thread::scope(|scope| {
            let signal = |signal| agents.iter().for_each(|agent| agent.signal(signal));
            signal(Signal::SIGSTOP);
            for [client, server] in begun_together {
                scope.spawn(move || exchange(client, server));
            }
            thread::sleep(HELD);
            signal(Signal::SIGCONT);
        });
    }
    for agent in agents {
        judge(&lab, &agent.end());
    }
}

/// All pods of different nodes, each pair once.
fn pairs(lab: &Lab) -> Vec<[&Pod; 2]> {
    let mut pairs = Vec::new();
    for (place, node) in lab.nodes().iter().enumerate() {
        for client in &node.pods {
            let servers = lab.nodes()[place + 1..].iter().flat_map(|node| &node.pods);
            pairs.extend(servers.map(|server| [client, server]));
        }
    }
    fastrand::shuffle(&mut pairs);
    pairs
}

fn exchange(client: &Pod, server: &Pod) {
    let load = PingPong::new(client.into(), server.into(), Until::Elapsed(LENGTH));
    let think = Duration::from_millis(1);
    let done = PingPong { think, ..load }.drive(&Stop::default());
    done.expect("exchange");
}

/// Every round trip of a node's pods names class and nodes, and a peer that holds the other pod.
fn judge(lab: &Lab, ended: &Ended) {
    let spans = ended.spans.iter().filter(|span| span.kind == "client");
    let mut judged = 0;
    for span in spans {
        let far = text(span, "destination.address");
        let has_it = |node: &&Node| node.pods.iter().any(|pod| pod.address.to_string() == far);
        let node = lab.nodes().iter().find(has_it).expect("a pod of the lab");
        let mut addresses = node.devices.iter().map(|device| device.address.to_string());
        let said = ["netpath.class", "netpath.source.node"].map(|name| text(span, name));
        assert_eq!(said, ["vxlan-vmnet", &ended.node], "{span:#?}");
        let peer = text(span, "service.peer.name");
        assert!(addresses.any(|own| own == peer), "`{peer}`: {span:#?}");
        judged += 1;
    }
    let ledger = &ended.last().ledger;
    assert_eq!(ledger.get("round_trip_dropped"), 0, "nothing is lost");
    eprintln!("{judged} round trips of {}", ended.node);
    assert!(judged > 100, "{judged} round trips of {}", ended.node);
}

fn text<'a>(span: &'a Span, name: &str) -> &'a str {
    let value = span.attributes.get(name).and_then(|value| value.as_str());
    value.unwrap_or_default()
}
