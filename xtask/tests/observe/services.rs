//! H2c: what goes through a Service, or to a masquerading receiver, is one path between the real
//! pods, with every point, and every packet on the path of the backend that counted it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use xtask::lab::topology::{Backend, Role, Service};
use xtask::lab::{BridgeNetfilter, Lab, Node, Options, Pod, Scenario};
use xtask::oracle::{Counter, Hook};
use xtask::traffic::{Calls, Place, Servers};

use super::agent::{Agent, PATIENCE};
use super::bench::{agents, lab, options, silence, turn};
use super::output::{PathLine, Sweep};

/// Connections that are there before the agents, and all of them.
const EARLY: usize = 5;
const ALL: usize = 50;
/// Connections that come when all others are resolved.
const LATE: usize = 10;
/// Connections to the masquerading receiver, half of them there before.
const MASKED: usize = 10;
/// Rounds of the measured exchange.
const ROUNDS: u64 = 20;
/// Delayed acknowledgements are out by then (Linux: `TCP_DELACK_MAX`, 200 ms).
const QUIET: Duration = Duration::from_millis(300);
/// Between two connections while flows wait for a sample. All at once would be selected at once:
/// more than the budget of round trips lets through, and what is lost lowers the share.
const PAUSE: Duration = Duration::from_millis(3);
/// Exchanges between two looks: with one in four followed, one flow in 300 has no sample by then.
const TURNS: usize = 20;
/// Enough replies are followed for old flows to be resolved in a few rounds.
const SAMPLE: [&str; 2] = ["--sample-one-in", "4"];

#[test]
fn a_service_is_one_path_per_backend_with_bridge_netfilter() {
    let test = "services::a_service_is_one_path_per_backend_with_bridge_netfilter";
    check(test, BridgeNetfilter::On);
}

#[test]
fn a_service_is_one_path_per_backend_without_bridge_netfilter() {
    let test = "services::a_service_is_one_path_per_backend_without_bridge_netfilter";
    check(test, BridgeNetfilter::Off);
}

fn check(test: &str, bridge_netfilter: BridgeNetfilter) {
    let Some(_turn) = turn(test) else { return };
    let purpose = format!("svc{}", bridge_netfilter.value());
    let lab = lab(Options {
        bridge_netfilter,
        ..options(Scenario::H2c, &purpose)
    });
    silence(&lab);
    let client = lab.nodes().iter().find(|node| node.role == Role::Client);
    let caller = &client.expect("a client node").pods[0];
    let [web, masked] = ["web", "masked"].map(|name| lab.topology().service(name));
    let services = [web.expect("web"), masked.expect("masked")];
    let backends: Vec<&Backend> = services.iter().flat_map(|one| &one.backends).collect();
    let places = backends
        .iter()
        .map(|backend| (Place::from(pod(&lab, backend)), backend.port));
    let _servers = Servers::serve(&places.collect::<Vec<_>>()).expect("servers");
    let mut calls = services.map(|service| Calls::new(Place::from(caller), service.socket()));
    open(&mut calls, [EARLY, MASKED / 2]);
    exchange(&mut calls, 1);
    let agents = agents(&lab, &SAMPLE);
    // As a kubelet does: then the receiver's node and its pod are a pair of their own.
    let mut probes = probe(&lab, masked.expect("masked"));
    open(&mut calls, [ALL - EARLY - LATE, MASKED / 2]);
    let oracle: Vec<Oracle> = backends
        .iter()
        .map(|backend| Oracle::new(&lab, backend))
        .collect();
    await_resolved(&lab, &agents, &mut calls);
    probes.exchange(1).expect("a probe");
    assert_handshakes_suffice(&lab, &agents, &mut calls);

    let before = Moment::now(&agents, &oracle);
    exchange(&mut calls, ROUNDS);
    let after = Moment::now(&agents, &oracle);
    for (one, backend) in oracle.iter().zip(&backends) {
        let [there, back] = one.between(&before, &after);
        assert!(
            there >= ROUNDS && back >= ROUNDS,
            "{there} there, {back} back"
        );
        assert_backend(&lab, &services, (caller, backend), (&before, &after));
    }
    let pods = pods(&lab);
    assert_eq!(before.elsewhere(&pods), after.elsewhere(&pods));
    for agent in agents {
        let ended = agent.end();
        let ledger = &ended.last().ledger;
        assert_eq!(ledger.get("translation"), 0, "{ledger:?}");
        for lost in ["ring_full", "round_trip_ring_full"] {
            assert_eq!(ledger.get(lost), 0, "{ledger:?}");
        }
        assert!(ended.last().findings.is_empty());
    }
}

/// A connection's first request is on its path already: the handshake has shown its backend.
fn assert_handshakes_suffice(lab: &Lab, agents: &[Agent], calls: &mut [Calls; 2]) {
    open(calls, [LATE, LATE]);
    let opened = Moment::now(agents, &[]);
    exchange(calls, 1);
    let asked = Moment::now(agents, &[]);
    let pods = pods(lab);
    assert_eq!(opened.elsewhere(&pods), asked.elsewhere(&pods));
}

/// What the backend has counted stands on its path, at every point of both nodes.
fn assert_backend(
    lab: &Lab,
    services: &[&Service],
    (caller, backend): (&Pod, &Backend),
    (before, after): (&Moment, &Moment),
) {
    let counted = after.oracle[&backend.address];
    let base = before.oracle[&backend.address];
    let wanted = [counted[0] - base[0], counted[1] - base[1]];
    let ends = [caller.address, backend.address];
    let is_there = |node: &&Node| {
        let mut pods = node.pods.iter();
        pods.any(|pod| ends.contains(&pod.address))
    };
    for node in lab.nodes().iter().filter(is_there) {
        let of = |moment: &Moment, from, to| moment.points(&node.name, from, to);
        for (wanted, [from, to]) in wanted.iter().zip([ends, [ends[1], ends[0]]]) {
            let (base, counted) = (of(before, from, to), of(after, from, to));
            let grown: BTreeMap<_, _> = counted
                .iter()
                .map(|(point, packets)| (point.as_str(), packets - base[point]))
                .collect();
            let all = ["bridge", "overlay", "pod", "underlay"].map(|point| (point, *wanted));
            assert_eq!(grown, all.into(), "{} {from} to {to}", node.name);
            let path = after.path(&node.name, from, to);
            assert_eq!(path.class.as_deref(), Some("vxlan-vmnet"), "{path:?}");
            assert_eq!(
                path.packets - before.path(&node.name, from, to).packets,
                *wanted
            );
        }
    }
    let service = services
        .iter()
        .find(|service| service.backends.contains(backend));
    let service = service.expect("its Service").socket().to_string();
    let client = lab.nodes().iter().find(|node| node.role == Role::Client);
    let path = after.path(&client.expect("client").name, ends[0], ends[1]);
    assert_eq!(path.destination.services, [service]);
    assert!(path.source.services.is_empty(), "{path:?}");
}

/// What a backend's own device has counted.
struct Oracle {
    backend: Ipv4Addr,
    counters: [Counter; 2],
}

impl Oracle {
    fn new(lab: &Lab, backend: &Backend) -> Self {
        let netns = &pod(lab, backend).netns;
        // The caller of a masquerading node is its bridge: the port alone tells.
        let port = backend.port;
        let counters = [
            (Hook::Ingress, format!("tcp dport {port}")),
            (Hook::Egress, format!("tcp sport {port}")),
        ]
        .map(|(hook, what)| Counter::install(netns, "eth0", hook, &what).expect("counter"));
        Self {
            backend: backend.address,
            counters,
        }
    }

    fn read(&self) -> [u64; 2] {
        self.counters
            .each_ref()
            .map(|counter| counter.read().expect("count").packets)
    }

    fn between(&self, before: &Moment, after: &Moment) -> [u64; 2] {
        let [base, counted] = [before, after].map(|moment| moment.oracle[&self.backend]);
        [counted[0] - base[0], counted[1] - base[1]]
    }
}

/// All counts at a time when nothing passes.
struct Moment {
    sweeps: BTreeMap<String, Sweep>,
    oracle: BTreeMap<Ipv4Addr, [u64; 2]>,
}

impl Moment {
    fn now(agents: &[Agent], oracle: &[Oracle]) -> Self {
        std::thread::sleep(QUIET);
        let sweeps = agents
            .iter()
            .map(|agent| (agent.node().to_owned(), agent.next_sweep()));
        Self {
            sweeps: sweeps.collect(),
            oracle: oracle.iter().map(|one| (one.backend, one.read())).collect(),
        }
    }

    fn path(&self, node: &str, from: Ipv4Addr, to: Ipv4Addr) -> &PathLine {
        let found = self.sweeps[node].path(from, to);
        found.unwrap_or_else(|| panic!("{node} has a path {from} to {to}"))
    }

    fn points(&self, node: &str, from: Ipv4Addr, to: Ipv4Addr) -> BTreeMap<String, u64> {
        let points = self.path(node, from, to).points.iter();
        points
            .map(|(point, counted)| (point.clone(), counted.packets))
            .collect()
    }

    /// Packets on paths that are not between two pods of the lab nor the nodes' own, by node and
    /// ends.
    fn elsewhere(&self, pods: &[IpAddr]) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for (node, sweep) in &self.sweeps {
            let is_host = |path: &&PathLine| path.class.as_deref() == Some("host");
            for path in sweep.paths.iter().filter(|path| !is_host(path)) {
                let ends = [path.source.address, path.destination.address];
                if !ends
                    .iter()
                    .all(|end| end.is_some_and(|end| pods.contains(&end)))
                {
                    let name = format!("{node} {ends:?} {:?}", path.class);
                    *found.entry(name).or_default() += path.packets;
                }
            }
        }
        found
    }
}

/// Addresses of all pods.
fn pods(lab: &Lab) -> Vec<IpAddr> {
    let pods = lab.nodes().iter().flat_map(|node| &node.pods);
    pods.map(|pod| pod.address.into()).collect()
}

/// Exchanges until a whole round counts on no other path any more: all flows are resolved.
fn await_resolved(lab: &Lab, agents: &[Agent], calls: &mut [Calls]) {
    let pods = pods(lab);
    let deadline = Instant::now() + PATIENCE;
    loop {
        for _ in 0..TURNS {
            for calls in &mut *calls {
                calls.exchange_in_turn(PAUSE).expect("exchanges");
            }
        }
        let before = Moment::now(agents, &[]);
        for calls in &mut *calls {
            calls.exchange_in_turn(PAUSE).expect("exchanges");
        }
        let after = Moment::now(agents, &[]);
        let [before, after] = [before, after].map(|moment| moment.elsewhere(&pods));
        if after == before {
            return;
        }
        let in_time = Instant::now() < deadline;
        assert!(in_time, "still elsewhere: {before:#?} and then {after:#?}");
    }
}

/// A connection from the node of a masqueraded backend to it.
fn probe(lab: &Lab, service: &Service) -> Calls {
    let backend = &service.backends[0];
    let is_there = |node: &&Node| node.pods.iter().any(|own| own.name == backend.pod);
    let node = lab.nodes().iter().find(is_there).expect("its node");
    let place = Place::new(&node.netns, node.pod_address(1));
    let mut probes = Calls::new(place, backend.socket());
    probes.open(1).expect("a probe");
    probes.exchange(1).expect("a probe");
    probes
}

fn open(calls: &mut [Calls; 2], counts: [usize; 2]) {
    for (calls, count) in calls.iter_mut().zip(counts) {
        calls.open(count).expect("connections");
    }
}

fn exchange(calls: &mut [Calls], rounds: u64) {
    for calls in calls {
        calls.exchange(rounds).expect("exchanges");
    }
}

fn pod<'a>(lab: &'a Lab, backend: &Backend) -> &'a Pod {
    lab.pod(&backend.pod).expect("pod")
}
