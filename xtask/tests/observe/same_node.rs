//! Two pods of one node talk through the bridge's ports alone: every packet counts once, by whatever
//! way it leaves again, and its round trip is the pod's own.

use std::time::Duration;

use observer_ebpf::abi::point::Point;
use xtask::lab::Scenario;
use xtask::oracle::{Counter, Hook};
use xtask::traffic::{Datagrams, Ping, PingPong, Place, Stop, Until};

use super::account::Watched;
use super::bench::{agents_on, lab, options, silence, turn};
use super::kernel::Sum;

const DATAGRAMS: u32 = 400;
const DATAGRAM: usize = 500;
const PINGS: u32 = 25;

#[test]
fn packets_between_two_pods_of_one_node_count_once_at_the_ports_and_nowhere_else() {
    let test =
        "same_node::packets_between_two_pods_of_one_node_count_once_at_the_ports_and_nowhere_else";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H6, "once"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let agents = agents_on([node].into_iter(), &[]);
    let watched = Watched::new(node, &agents[0]);
    let [one, other] = [0, 1].map(|pod| Place::from(&node.pods[pod]));
    let ping = |count| {
        let report = Ping::new(one.clone(), other.address, count).drive(&Stop::default());
        assert_eq!(report.expect("ping").received, count);
    };
    // Names the pair.
    ping(3);
    agents[0].await_sweep("the pair", |sweep| {
        sweep.path(one.address, other.address).is_some()
    });

    let arrives =
        |what| Counter::install(&other.netns, "eth0", Hook::Ingress, what).expect("counter");
    let (datagrams, echoes) = (arrives("meta l4proto udp"), arrives("meta l4proto icmp"));
    let step = watched.step(|| {
        let load = Datagrams {
            gap: Duration::from_micros(200),
            ..Datagrams::new(one.clone(), other.clone(), DATAGRAMS, DATAGRAM)
        };
        let report = load.drive(&Stop::default()).expect("datagrams");
        assert_eq!(report.received, DATAGRAMS);
        ping(PINGS);
    });
    let counted = [&datagrams, &echoes].map(|counter| counter.read().expect("count").packets);
    assert_eq!(counted, [DATAGRAMS, PINGS].map(u64::from));
    let length = u64::try_from(DATAGRAM).expect("small") + 28;
    let packets = u64::from(DATAGRAMS) + 2 * u64::from(PINGS);
    let wanted = Sum {
        buffers: packets,
        segments: packets,
        bytes: u64::from(DATAGRAMS) * length + 2 * u64::from(PINGS) * 84,
    };
    for point in Point::ALL {
        let wanted = if point == Point::Port {
            wanted
        } else {
            Sum::default()
        };
        assert_eq!(step.pods(point), wanted, "{point:?}");
    }

    let report = PingPong::new(
        one.clone(),
        other.clone(),
        Until::Elapsed(Duration::from_secs(2)),
    )
    .drive(&Stop::default())
    .expect("exchange");
    let sweep = agents[0].next_sweep();
    for (from, to, socket) in [(&one, &other, report.client), (&other, &one, report.server)] {
        let path = sweep.path(from.address, to.address).expect("the pair");
        assert_eq!(path.class.as_deref(), Some("same-node"), "{path:?}");
        let pod = path.rtt("pod").expect("round trips");
        let (seen, told) = (pod.p50 * 1e3, socket.rtt.p50_us);
        assert!(
            (seen - told).abs() <= (told / 10.0).max(50.0),
            "observer {seen} us, socket {told} us"
        );
    }
}
