//! What tests can change while a lab is up, and what the traffic drivers then measure.

use std::time::Duration;

use xtask::lab::topology::{Role, TUNNEL};
use xtask::lab::{Lab, Node, Options, Scenario, WireId};
use xtask::oracle::{Counter, Counters, Hook, link};
use xtask::traffic::datagrams::Answer;
use xtask::traffic::{
    Bulk, Datagrams, Load, Ping, PingPong, Place, Report, Stop, Until, Volume, drive_all,
};

use super::bench::{lab_options, possible};

/// Bytes of an exact transfer.
const BYTES: u64 = 1_000_000;
/// How far a measured delay may be off on a busy machine of two processors.
const SLACK_US: f64 = 15_000.0;

pub(crate) fn assert_delay(what: &str, found_us: f64, wanted_ms: f64) {
    let wanted_us = wanted_ms * 1e3;
    let fits = (wanted_us..wanted_us + SLACK_US).contains(&found_us);
    assert!(fits, "{what}: {found_us} us, not {wanted_us} and a little");
}

/// The median of some round trips between two places.
pub(crate) fn median_us(from: &Place, to: &Place) -> f64 {
    let ping = Ping::new(from.clone(), to.address, 15)
        .drive(&Stop::default())
        .expect("ping");
    assert_eq!(ping.received, 15);
    ping.round_trip.p50_us
}

#[test]
fn tunnel_delay_follows_its_setting_per_direction() {
    if !possible("steering::tunnel_delay_follows_its_setting_per_direction") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1, "slow")).expect("lab comes up");
    let [one, other] = [0, 1].map(|node| Place::from(&lab.nodes()[node].pods[0]));
    assert_delay("none", median_us(&one, &other), 0.0);
    lab.set_tunnel_delay("n1", Duration::from_millis(20))
        .expect("set");
    assert_delay("one end", median_us(&one, &other), 20.0);
    lab.set_tunnel_delay("n2", Duration::from_millis(15))
        .expect("set");
    assert_delay("both ends", median_us(&other, &one), 35.0);
    for node in ["n1", "n2"] {
        lab.set_tunnel_delay(node, Duration::ZERO).expect("set");
    }
    assert_delay("none again", median_us(&one, &other), 0.0);
}

#[test]
fn delay_box_holds_both_directions_of_its_wire_only() {
    if !possible("steering::delay_box_holds_both_directions_of_its_wire_only") {
        return;
    }
    let wire = WireId {
        node: "n2".into(),
        device: "lima0".into(),
    };
    let options = lab_options(Scenario::H2, "box");
    let lab = Lab::up(Options {
        delay_boxes: vec![wire.clone()],
        ..options
    })
    .expect("lab");
    let [one, two, three] = [0, 1, 2].map(|node| Place::from(&lab.nodes()[node].pods[0]));
    assert_delay("not set", median_us(&one, &two), 0.0);
    lab.set_wire_delay(&wire, Duration::from_millis(10))
        .expect("set");
    assert_delay("through the box", median_us(&one, &two), 20.0);
    assert_delay("past the box", median_us(&one, &three), 0.0);
    let load = PingPong::new(one, two, Until::Count(10))
        .drive(&Stop::default())
        .expect("load");
    assert_delay("request and reply", load.latency.p50_us, 20.0);
    assert_delay("what TCP says at the client", load.client.rtt.p50_us, 20.0);
    assert_delay("what TCP says at the server", load.server.rtt.p50_us, 20.0);
    let missing = WireId {
        node: "n1".into(),
        device: "lima0".into(),
    };
    lab.set_wire_delay(&missing, Duration::ZERO)
        .expect_err("no box there");
}

#[test]
fn narrow_underlay_cuts_the_outer_packet() {
    if !possible("steering::narrow_underlay_cuts_the_outer_packet") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "narrow")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[0], &lab.nodes()[1]);
    // One narrow end only would make its veth drop what the other end still sends.
    for name in [&node.name, &peer.name] {
        lab.set_mtu(name, "lima0", 1400).expect("set");
    }
    let found = link::find(&node.netns, "lima0")
        .expect("links")
        .expect("lima0");
    assert_eq!(found.mtu, 1400);
    let read = || [node, peer].map(|node| Counters::read(&node.netns).expect("counters"));
    let before = read();
    let (from, to) = (Place::from(&node.pods[0]), peer.pods[0].address);
    let ping = Ping::new(from, to, 5)
        .with_full_packet(1450)
        .drive(&Stop::default());
    assert_eq!(
        ping.expect("ping").received,
        5,
        "DF is on the inner packet only"
    );
    let after = read();
    let grown = [0, 1].map(|side| after[side].since(&before[side]));
    let wanted = [
        ("IpFragOKs", 5),
        ("IpFragCreates", 10),
        ("IpReasmReqds", 10),
        ("IpReasmOKs", 5),
    ];
    for (name, count) in wanted {
        let found = [grown[0].get(name), grown[1].get(name)];
        assert_eq!(
            found, [count; 2],
            "{name} for five requests and five replies"
        );
    }
}

#[test]
fn datagrams_are_counted_exactly_at_every_device() {
    if !possible("steering::datagrams_are_counted_exactly_at_every_device") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1, "exact")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[0], &lab.nodes()[2]);
    let (from, to) = (Place::from(&node.pods[0]), Place::from(&peer.pods[0]));
    let counter = |netns: &str, device: &str, hook, expression: &str| {
        Counter::install(netns, device, hook, expression).expect("counter")
    };
    let inner = format!("ip saddr {} udp length 508", from.address);
    let veth = &node.pods[0].host_veth;
    let mut counters = vec![
        counter(&node.netns, veth, Hook::Ingress, &inner),
        counter(&node.netns, "flannel.1", Hook::Egress, &inner),
        counter(&node.netns, TUNNEL, Hook::Egress, "udp dport 8472"),
        counter(&peer.netns, TUNNEL, Hook::Ingress, "udp dport 8472"),
    ];
    counters.push(counter(&peer.netns, "flannel.1", Hook::Ingress, &inner));
    let load = Datagrams {
        gap: Duration::from_micros(200),
        ..Datagrams::new(from, to, 200, 500)
    };
    let report = load.drive(&Stop::default()).expect("datagrams");
    assert_eq!(
        (report.sent, report.received, report.refused),
        (200, 200, 0)
    );
    let found: Vec<u64> = counters
        .iter()
        .map(|counter| counter.read().expect("count").packets)
        .collect();
    assert_eq!(found, [200; 5]);
    let echoes = Datagrams {
        answer: Answer::Echo,
        count: 20,
        ..load
    };
    assert_eq!(echoes.drive(&Stop::default()).expect("echoes").echoed, 20);
}

#[test]
fn exact_transfer_arrives_whole_in_single_packets() {
    if !possible("steering::exact_transfer_arrives_whole_in_single_packets") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "bulk")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[0], &lab.nodes()[1]);
    lab.send_single_packets(&node.pods[0].name, "eth0")
        .expect("set");
    let (from, to) = (Place::from(&node.pods[0]), Place::from(&peer.pods[0]));
    let large = format!("ip saddr {} meta length > 1500", from.address);
    let large = Counter::install(&node.netns, "flannel.1", Hook::Egress, &large).expect("counter");
    let load = Bulk::new(from, to, Volume::Bytes(BYTES));
    let report = load.drive(&Stop::default()).expect("transfer");
    assert_eq!(report.bytes, BYTES);
    assert_eq!(
        report.client.send_mss,
        1450 - 52,
        "MSS of the pod MTU with timestamps"
    );
    assert_eq!(large.read().expect("count").packets, 0);
}

#[test]
fn three_paths_of_the_mixed_node_carry_traffic_at_once() {
    if !possible("steering::three_paths_of_the_mixed_node_carry_traffic_at_once") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::Mixed, "three")).expect("lab comes up");
    let node = |role| {
        lab.nodes()
            .iter()
            .find(|node| node.role == role)
            .expect("role")
    };
    let [mixed, near, far] = [Role::Mixed, Role::Near, Role::Far].map(node);
    let pod = |node: &Node| Place::from(&node.pods[0]).on_cpu(0);
    let tunnel = |node: &Node| Place::new(&node.netns, node.tailnet.address);
    let until = Until::Elapsed(Duration::from_millis(300));
    let loads = [
        Load::PingPong(PingPong::new(pod(mixed), pod(near), until)),
        Load::PingPong(PingPong::new(pod(mixed), pod(far), until)),
        Load::PingPong(PingPong::new(tunnel(mixed), tunnel(near), until)),
    ];
    let count = |device: &str, expression: &str| {
        Counter::install(&mixed.netns, device, Hook::Egress, expression).expect("counter")
    };
    let vmnet = count("lima0", "udp dport 8472");
    let tunnelled = count(TUNNEL, "udp dport 8472");
    let nodes = count(
        TUNNEL,
        &format!("ip daddr {} tcp dport != 0", near.tailnet.address),
    );
    let routed = count("eth0", "udp dport 41641 meta mark 0x80000");
    for report in drive_all(&loads, &Stop::default()) {
        let Report::PingPong(report) = report.expect("load") else {
            panic!("other report")
        };
        assert!(report.exchanges > 10, "{report:?}");
    }
    for counter in [vmnet, tunnelled, nodes, routed] {
        assert!(counter.read().expect("count").packets > 10, "{counter:?}");
    }
}
