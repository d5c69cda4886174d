//! DNS is timed by its ids: at every point every query to its answer, and a delay on the wire shows at
//! those before it.

use std::net::{IpAddr, SocketAddrV4};
use std::time::Duration;

use xtask::lab::{Options, Pod, Scenario, WireId};
use xtask::traffic::{Place, Queries, Resolvers, Stop};

use super::agent::Agent;
use super::bench::{agents_on, lab, options, turn};

/// What a delayed round trip takes at least and at most, milliseconds.
const DELAY: f64 = 20.0;
const MOST: f64 = 32.0;
/// Above all undelayed medians of a busy machine.
const BETWEEN: f64 = 12.0;
/// Queries that make a median.
const QUERIES: u16 = 40;

const POINTS: [&str; 4] = ["pod", "bridge", "overlay", "underlay"];

#[test]
fn every_query_is_timed_at_every_point_and_the_wire_s_delay_shows_before_it() {
    let test = "dns::every_query_is_timed_at_every_point_and_the_wire_s_delay_shows_before_it";
    let Some(_turn) = turn(test) else { return };
    let wire = WireId {
        node: "n1".into(),
        device: "lima0".into(),
    };
    let lab = lab(Options {
        delay_boxes: vec![wire.clone()],
        ..options(Scenario::H2, "dns")
    });
    // Half of it in each direction of the wire.
    let half = Duration::from_millis(10);
    lab.set_wire_delay(&wire, half).expect("delay");
    let agents = agents_on(lab.nodes()[..2].iter(), &[]);
    let [client, server] = [0, 1].map(|node| &lab.nodes()[node].pods[0]);
    let _resolvers = Resolvers::serve(&[(Place::from(server), 53)]).expect("a server");
    let ends = [client, server].map(|pod| IpAddr::from(pod.address));
    // What passes before the pair has a number counts for nobody.
    ask(client, server, 3);
    let before = counts(&agents, ends);
    ask(client, server, QUERIES);
    for (agent, before) in agents.iter().zip(before) {
        let is_sender = agent.node() == "n1";
        let sweep = agent.await_sweep("every query is timed", |sweep| {
            let path = sweep.path(ends[0], ends[1]);
            POINTS.iter().zip(before).all(|(point, before)| {
                let rtt = path.and_then(|path| path.rtt(point));
                rtt.is_some_and(|rtt| rtt.count >= before + u64::from(QUERIES))
            })
        });
        let path = sweep.path(ends[0], ends[1]).expect("the path");
        for (point, before) in POINTS.into_iter().zip(before) {
            let rtt = path.rtt(point).expect("round trips");
            let what = format!("{point} of {}: {rtt:?}", agent.node());
            assert_eq!(rtt.count, before + u64::from(QUERIES), "{what}");
            let is_right = if is_sender {
                (DELAY * 0.95..MOST).contains(&rtt.p50)
            } else {
                rtt.p50 < BETWEEN
            };
            assert!(is_right, "{what}");
        }
        // Nobody asks the client.
        let back = sweep.path(ends[1], ends[0]).expect("the way back");
        assert!(POINTS.iter().all(|point| back.rtt(point).is_none()));
    }
}

fn ask(client: &Pod, server: &Pod, count: u16) {
    let queries = Queries {
        client: Place::from(client),
        target: SocketAddrV4::new(server.address, 53),
        count,
    };
    let report = queries.drive(&Stop::default()).expect("queries");
    let answered: u64 = report.answered.values().sum();
    assert_eq!(
        (report.sent, answered),
        (u64::from(count), u64::from(count))
    );
}

/// Round trips of every agent at every point once the pair has a number.
fn counts(agents: &[Agent], ends: [IpAddr; 2]) -> Vec<[u64; 4]> {
    let of = |agent: &Agent| {
        let is_named = |sweep: &super::output::Sweep| sweep.path(ends[0], ends[1]).is_some();
        agent.await_sweep("the pair is named", is_named);
        let sweep = agent.next_sweep();
        let path = sweep.path(ends[0], ends[1]).expect("the path");
        POINTS.map(|point| path.rtt(point).map_or(0, |rtt| rtt.count))
    };
    agents.iter().map(of).collect()
}
