//! A delay put into the path at one place shows at exactly the points before it, seen from the
//! sender of the data: a round trip timed in front of the delay holds it, one timed behind does not.

use std::collections::BTreeMap;
use std::time::Duration;

use xtask::lab::topology::VXLAN;
use xtask::lab::{Lab, Node, Options, Scenario, WireId};
use xtask::skip;
use xtask::traffic::{Load, PingPong, Until};

use super::agent::Agent;
use super::bench::{agents, lab, options, turn, with_load};
use super::output::RoundTrip;

/// What a delayed round trip takes at least, milliseconds.
const DELAY: f64 = 20.0;
/// Above all undelayed medians of a busy machine, well below the delay.
const BETWEEN: f64 = 12.0;
/// Round trips at a point that make a median.
const SAMPLES: u64 = 20;

/// Points in the order of the columns below.
const POINTS: [&str; 5] = ["pod", "bridge", "overlay", "tunnel", "underlay"];

/// What a point has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// The delay.
    Delay,
    /// Round trips without it.
    Nothing,
    /// No round trips: the flow is not visible there.
    Absent,
}

use Shows::{Absent, Delay, Nothing};

#[test]
fn delay_of_a_wire_shows_at_all_points_of_the_sender_and_none_of_the_receiver() {
    let test = "delays::delay_of_a_wire_shows_at_all_points_of_the_sender_and_none_of_the_receiver";
    let Some(_turn) = turn(test) else { return };
    let slow = any_node();
    let wire = WireId {
        node: slow.clone(),
        device: "lima0".into(),
    };
    let lab = lab(Options {
        delay_boxes: vec![wire.clone()],
        ..options(Scenario::H2, "wire")
    });
    // Half of it in each direction of the wire.
    let half = Duration::from_millis(10);
    lab.set_wire_delay(&wire, half).expect("delay");
    let all = [Delay, Delay, Delay, Absent, Delay];
    let none = [Nothing, Nothing, Nothing, Absent, Nothing];
    check(&lab, &slow, &|_| Row {
        sender: all,
        receiver: none,
        elsewhere: none,
    });
}

#[test]
fn delay_of_the_tunnel_process_shows_in_front_of_the_process() {
    let test = "delays::delay_of_the_tunnel_process_shows_in_front_of_the_process";
    let Some(_turn) = turn(test) else { return };
    let slow = any_node();
    let lab = lab(options(Scenario::S1, "tun"));
    let delay = Duration::from_millis(20);
    lab.set_tunnel_delay(&slow, delay).expect("delay");
    // Data of the slow node waits behind its tunnel, replies of the slow node wait there too.
    let all = [Delay, Delay, Delay, Delay, Absent];
    let none = [Nothing, Nothing, Nothing, Nothing, Absent];
    check(&lab, &slow, &|_| Row {
        sender: all,
        receiver: none,
        elsewhere: none,
    });
}

#[test]
fn delay_inside_a_node_parts_its_points() {
    let test = "delays::delay_inside_a_node_parts_its_points";
    let Some(_turn) = turn(test) else { return };
    let slow = any_node();
    let lab = lab(options(Scenario::H2, "queue"));
    if !slow_queue(&lab, &slow) {
        return skip::skip(test, "this kernel has no token bucket (NET_SCH_TBF)");
    }
    // The queue lies between flannel.1 and the wire, on the way out alone.
    let all = [Delay, Delay, Delay, Absent, Delay];
    let none = [Nothing, Nothing, Nothing, Absent, Nothing];
    check(&lab, &slow, &|from_slow| {
        if from_slow {
            Row {
                sender: [Delay, Delay, Delay, Absent, Nothing],
                receiver: none,
                elsewhere: none,
            }
        } else {
            Row {
                sender: all,
                receiver: [Nothing, Nothing, Nothing, Absent, Delay],
                elsewhere: none,
            }
        }
    });
}

/// What the points of both nodes have to say of data of one direction.
struct Row {
    /// At the node of the data's sender.
    sender: [Shows; 5],
    /// At the node of the data's receiver.
    receiver: [Shows; 5],
    /// At both ends of a path that does not touch the slow node.
    elsewhere: [Shows; 5],
}

fn any_node() -> String {
    format!("n{}", fastrand::u8(1..=3))
}

/// A bucket behind flannel.1 that lets a small packet pass every 25 ms; false if the kernel has none.
fn slow_queue(lab: &Lab, node: &str) -> bool {
    // 64 bytes in TCP with timestamps in IP in Ethernet, 40 a second.
    let rate = format!("{}bit", (64 + 52 + 14) * 40 * 8);
    let argv = [
        "tc", "qdisc", "add", "dev", VXLAN, "root", "tbf", "rate", &rate,
    ];
    let argv = [&argv[..], &["burst", "1540", "limit", "100000"]].concat();
    let mut tc = lab.command(node, &argv).expect("node");
    tc.status().expect("tc of iproute2").success()
}

/// Drives all pairs of nodes at once and compares every point of every agent.
fn check(lab: &Lab, slow: &str, row: &dyn Fn(bool) -> Row) {
    let agents = agents(lab, &[]);
    let load = |(from, to): &(&Node, &Node)| {
        let until = Until::Elapsed(Duration::from_mins(2));
        let think = Duration::from_millis(if is_slow(slow, from, to) { 0 } else { 10 });
        let load = PingPong::new((&from.pods[0]).into(), (&to.pods[0]).into(), until);
        Load::PingPong(PingPong { think, ..load })
    };
    let pairs = pairs(lab, slow);
    let loads: Vec<Load> = pairs.iter().map(load).collect();
    with_load(&loads, || {
        for agent in &agents {
            agent.await_sweep("enough round trips", |sweep| {
                let paths = sweep.paths.iter().filter_map(|path| path.rtt("bridge"));
                paths.filter(|bridge| bridge.count >= 2 * SAMPLES).count()
                    == paths_seen(&pairs, agent)
            });
        }
    });
    let mut wrong = BTreeMap::new();
    for agent in agents {
        let name = agent.node().to_owned();
        let ended = agent.end();
        for (one, other) in &pairs {
            for (from, to) in [(one, other), (other, one)] {
                let row = row(from.name == slow);
                let wanted = match (is_slow(slow, from, to), name == from.name, name == to.name) {
                    (_, false, false) => continue,
                    (false, _, _) => row.elsewhere,
                    (true, true, _) => row.sender,
                    (true, false, _) => row.receiver,
                };
                let ends = [from, to].map(|node| node.pods[0].address);
                let path = ended.last().path(ends[0], ends[1]).expect("path");
                for (point, wanted) in POINTS.into_iter().zip(wanted) {
                    let found = path.rtt(point);
                    let shown = shown(found);
                    if shown != Some(wanted) || found.is_some_and(|rtt| rtt.count < SAMPLES) {
                        let what = format!("at {name}, {} to {}, {point}", from.name, to.name);
                        wrong.insert(what, format!("{found:?}, not {wanted:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "slow is {slow}: {wrong:#?}");
}

/// The slow node with each other one, and the two others; one connection would share the queue.
fn pairs<'a>(lab: &'a Lab, slow: &str) -> Vec<(&'a Node, &'a Node)> {
    let (own, others): (Vec<&Node>, Vec<&Node>) =
        lab.nodes().iter().partition(|node| node.name == slow);
    let mut to_slow = [own[0], others[0]];
    if fastrand::bool() {
        to_slow.reverse();
    }
    vec![(to_slow[0], to_slow[1]), (others[0], others[1])]
}

fn is_slow(slow: &str, from: &Node, to: &Node) -> bool {
    from.name == slow || to.name == slow
}

/// Ordered pairs that the agent's node has a part in.
fn paths_seen(pairs: &[(&Node, &Node)], agent: &Agent) -> usize {
    let is_own = |node: &Node| node.name == agent.node();
    2 * pairs
        .iter()
        .filter(|(one, other)| is_own(one) || is_own(other))
        .count()
}

/// What a point says; none if it is between the two.
fn shown(found: Option<RoundTrip>) -> Option<Shows> {
    match found {
        None => Some(Absent),
        Some(rtt) if rtt.p50 >= DELAY * 0.95 => Some(Delay),
        Some(rtt) if rtt.p50 < BETWEEN => Some(Nothing),
        Some(_) => None,
    }
}
