//! A Service whose backend is on the caller's own node: counted once at the ports, one path between
//! the pods; and DNS, whose Service stays a path of its own.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use xtask::lab::netns::within;
use xtask::lab::{BridgeNetfilter, Node, Options, Pod, Scenario};
use xtask::oracle::{Counter, Hook};
use xtask::traffic::{Calls, Place, Servers};

use super::agent::{Agent, PATIENCE};
use super::bench::{agents_on, lab, options, run, silence, turn};
use super::output::{PathLine, Sweep};

const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 43, 7, 7);
const PORT: u16 = 8_080;
const ROUNDS: u64 = 20;
/// Delayed acknowledgements are out by then (Linux: `TCP_DELACK_MAX`, 200 ms).
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn a_service_between_two_pods_of_one_node_counts_once_and_dns_stays_its_own() {
    let test = "services_on_one_node::\
                a_service_between_two_pods_of_one_node_counts_once_and_dns_stays_its_own";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        bridge_netfilter: BridgeNetfilter::On,
        ..options(Scenario::H6, "svc")
    });
    silence(&lab);
    let node = &lab.nodes()[0];
    let [caller, backend] = [&node.pods[0], &node.pods[1]];
    translate(node, backend);
    let _servers = Servers::serve(&[(Place::from(backend), PORT)]).expect("servers");
    let mut calls = Calls::new(Place::from(caller), SocketAddrV4::new(SERVICE, 80));
    calls.open(2).expect("connections before the agent");
    calls.exchange(1).expect("exchanges");
    let agents = agents_on([node].into_iter(), &["--sample-one-in", "2"]);
    let agent = &agents[0];
    calls.open(5).expect("connections");
    await_resolved(agent, &mut calls);

    let count = |hook, what: &str| {
        let what = format!("tcp {what} {PORT}");
        Counter::install(&backend.netns, "eth0", hook, &what).expect("counter")
    };
    let oracle = [count(Hook::Ingress, "dport"), count(Hook::Egress, "sport")];
    let before = still(agent);
    calls.exchange(ROUNDS).expect("exchanges");
    let after = still(agent);
    let wanted = oracle.map(|counter| counter.read().expect("count").packets);
    assert!(
        wanted.iter().all(|&packets| packets >= 7 * ROUNDS),
        "{wanted:?}"
    );
    let ends = [caller.address, backend.address];
    let grown = [ends, [ends[1], ends[0]]].map(|[from, to]| {
        let at_pod = |sweep: &Sweep| sweep.path(from, to).expect("a path").points["pod"].packets;
        at_pod(&after) - at_pod(&before)
    });
    assert_eq!(grown, wanted, "{after:#?}");
    assert_eq!(unknown(&after), unknown(&before));
    let path = after.path(ends[0], ends[1]).expect("a path");
    assert_eq!(path.class.as_deref(), Some("same-node"), "{path:?}");
    assert_eq!(path.destination.services, [format!("{SERVICE}:80")]);

    assert_dns(agent, caller, backend);
}

/// Datagrams to port 53 of the Service are on a path of its own, each once.
fn assert_dns(agent: &Agent, caller: &Pod, backend: &Pod) {
    let [server, client] = [(backend, 53), (caller, 0)].map(|(pod, port)| {
        let socket = within(&pod.netns, || UdpSocket::bind((pod.address, port)));
        socket.expect("namespace").expect("socket")
    });
    server.set_read_timeout(Some(PATIENCE)).expect("patience");
    let ask = |count: usize| {
        for _ in 0..count {
            client.send_to(b"question", (SERVICE, 53)).expect("sent");
            server.recv_from(&mut [0; 64]).expect("received");
        }
    };
    ask(1);
    let is_named = |sweep: &Sweep| dns(sweep, caller).is_some();
    let deadline = Instant::now() + PATIENCE;
    let mut before = still(agent);
    while !is_named(&before) {
        let in_time = Instant::now() < deadline;
        assert!(in_time, "DNS has no path of its own: {before:#?}");
        ask(1);
        before = still(agent);
    }
    ask(30);
    let after = still(agent);
    let packets = |sweep: &Sweep| dns(sweep, caller).map_or(0, |path| path.packets);
    assert_eq!(packets(&after) - packets(&before), 30, "{after:#?}");
    let ledger = &after.ledger;
    assert_eq!(ledger.get("translation"), 0, "{ledger:?}");
}

fn dns<'a>(sweep: &'a Sweep, caller: &Pod) -> Option<&'a PathLine> {
    sweep.path(caller.address, SERVICE)
}

/// TCP and DNS to the Service go to the backend.
fn translate(node: &Node, backend: &Pod) {
    let to = backend.address;
    let ruleset = format!(
        "table ip service {{
  chain translations {{
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr {SERVICE} tcp dport 80 dnat to {to}:{PORT}
    ip daddr {SERVICE} udp dport 53 dnat to {to}:53
  }}
}}"
    );
    run(&node.netns, &["nft", &ruleset]);
}

/// Exchanges until a round counts nothing as unknown.
fn await_resolved(agent: &Agent, calls: &mut Calls) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for _ in 0..5 {
            calls.exchange(1).expect("exchanges");
            thread::sleep(QUIET / 2);
        }
        let before = still(agent);
        calls.exchange(1).expect("exchanges");
        let after = still(agent);
        if unknown(&after) == unknown(&before) {
            return;
        }
        assert!(Instant::now() < deadline, "still unknown: {after:#?}");
    }
}

/// Packets that count as unknown, or on the Service's own path.
fn unknown(sweep: &Sweep) -> u64 {
    let of_service = sweep.paths.iter().filter(|path| {
        let ends = [path.source.address, path.destination.address];
        ends.contains(&Some(SERVICE.into()))
    });
    sweep.collected("unknown") + of_service.map(|path| path.packets).sum::<u64>()
}

/// A sweep at a time when nothing passes.
fn still(agent: &Agent) -> Sweep {
    thread::sleep(QUIET);
    agent.next_sweep()
}
