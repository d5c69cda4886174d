//! H2c: connections through a Service reach its backends in turn, and each device shows the address
//! that it has to show, with and without `br_netfilter`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use xtask::lab::topology::{BRIDGE, Backend, Protocol, Role, Service, VXLAN};
use xtask::lab::{BridgeNetfilter, Lab, Node, Options, Pod, Scenario};
use xtask::oracle::{Counter, Hook};
use xtask::traffic::calls::MESSAGE;
use xtask::traffic::queries::QUERY;
use xtask::traffic::{Accepted, Call, Calls, Place, Queries, Resolvers, Servers, Stop};

use super::bench::{assert_nothing_left, lab_options, possible};

/// Connections that are there before, and all of them.
const EARLY: usize = 5;
const ALL: usize = 50;

#[test]
fn service_spreads_connections_over_two_nodes_with_bridge_netfilter() {
    let test = "services::service_spreads_connections_over_two_nodes_with_bridge_netfilter";
    check(test, BridgeNetfilter::On);
}

#[test]
fn service_spreads_connections_over_two_nodes_without_bridge_netfilter() {
    let test = "services::service_spreads_connections_over_two_nodes_without_bridge_netfilter";
    check(test, BridgeNetfilter::Off);
}

#[test]
fn service_reaches_a_backend_of_the_same_node_by_bridge_netfilter() {
    if !possible("services::service_reaches_a_backend_of_the_same_node_by_bridge_netfilter") {
        return;
    }
    let lab = Lab::up(Options {
        bridge_netfilter: BridgeNetfilter::On,
        ..lab_options(Scenario::H2c, "local")
    })
    .expect("lab comes up");
    let service = lab.topology().service("web").expect("service");
    let backend = &service.backends[0];
    let node = node_of(&lab, backend);
    let places: Vec<_> = service
        .backends
        .iter()
        .map(|backend| (Place::from(pod(&lab, backend)), backend.port))
        .collect();
    let servers = Servers::serve(&places).expect("servers");
    let caller = &node.pods[1];
    let veth = &pod(&lab, backend).host_veth;
    let delivered = format!(
        "ip saddr {} ip daddr {} tcp dport 8080",
        caller.address, backend.address
    );
    let delivered = Seen::new(&node.netns, veth, Hook::Egress, &delivered);
    let answered = format!("ip saddr {} tcp sport 80", service.address);
    let answered = Seen::new(&caller.netns, "eth0", Hook::Ingress, &answered);
    let mut calls = Calls::new(Place::from(caller), service.socket());
    calls.open(4).expect("connections");
    calls.exchange(5).expect("exchanges");
    let calls = calls.close().expect("all ended");
    let local = calls
        .iter()
        .filter(|call| call.server == Some(backend.address));
    assert_eq!(local.count(), 2, "every other one");
    assert!(delivered.packets() >= 2 * 5, "{}", delivered.what);
    assert!(answered.packets() >= 4 * 5, "{}", answered.what);
    assert_eq!(servers.accepted().len(), 4);
}

/// One packet counter of a place.
struct Seen {
    what: String,
    counter: Counter,
}

impl Seen {
    fn new(netns: &str, device: &str, hook: Hook, expression: &str) -> Self {
        let what = format!("{netns} {device} {hook:?} `{expression}`");
        let counter = Counter::install(netns, device, hook, expression).expect("counter");
        Self { what, counter }
    }

    fn packets(&self) -> u64 {
        self.counter.read().expect("count").packets
    }
}

fn check(test: &str, bridge_netfilter: BridgeNetfilter) {
    if !possible(test) {
        return;
    }
    let purpose = format!("nf{}", bridge_netfilter.value());
    let lab = Lab::up(Options {
        bridge_netfilter,
        ..lab_options(Scenario::H2c, &purpose)
    })
    .expect("lab comes up");
    eprintln!("{}", lab.status());
    let client = lab.nodes().iter().find(|node| node.role == Role::Client);
    let client = client.expect("a client node");
    for name in ["web", "masked"] {
        check_service(&lab, client, lab.topology().service(name).expect("service"));
    }
    check_queries(
        &lab,
        client,
        lab.topology().service("dns").expect("service"),
    );
    let status = lab.status();
    drop(lab);
    assert_nothing_left(&status);
}

/// Calls a Service from the first pod of the client node and follows its packets.
fn check_service(lab: &Lab, client: &Node, service: &Service) {
    let caller = &client.pods[0];
    let places: Vec<_> = service
        .backends
        .iter()
        .map(|backend| (Place::from(pod(lab, backend)), backend.port))
        .collect();
    let servers = Servers::serve(&places).expect("servers");
    let (to_service, to_backends) = (address_of_service(service), addresses(service));
    let ports = [&to_service, &to_backends]
        .map(|expression| Seen::new(&client.netns, &caller.host_veth, Hook::Ingress, expression));
    let bridge = [&to_service, &to_backends]
        .map(|expression| Seen::new(&client.netns, BRIDGE, Hook::Ingress, expression));
    let overlay: Vec<_> = service
        .backends
        .iter()
        .map(|backend| {
            let seen = |hook, end: &str, other: &str| {
                let expression = format!(
                    "ip {end} {} tcp {other} {} ip {} {}",
                    backend.address,
                    backend.port,
                    if end == "daddr" { "saddr" } else { "daddr" },
                    caller.address
                );
                Seen::new(&client.netns, VXLAN, hook, &expression)
            };
            [
                seen(Hook::Egress, "daddr", "dport"),
                seen(Hook::Ingress, "saddr", "sport"),
            ]
        })
        .collect();
    let at_pods: Vec<_> = service
        .backends
        .iter()
        .map(|backend| {
            let netns = &pod(lab, backend).netns;
            let port = backend.port;
            [
                Seen::new(netns, "eth0", Hook::Ingress, &format!("tcp dport {port}")),
                Seen::new(netns, "eth0", Hook::Egress, &format!("tcp sport {port}")),
            ]
        })
        .collect();

    let mut calls = Calls::new(Place::from(caller), service.socket());
    calls.open(EARLY).expect("early connections");
    calls.exchange(3).expect("early exchanges");
    calls.open(ALL - EARLY).expect("more connections");
    calls.exchange(7).expect("exchanges");
    let calls = calls.close().expect("all ended");

    let accepted = servers.accepted();
    assert_truth(service, &calls, &accepted);
    assert_sources(lab, caller, service, &accepted);
    let totals: Vec<[u64; 2]> = at_pods
        .iter()
        .map(|both| both.each_ref().map(Seen::packets))
        .collect();
    for (overlay, [arrived, left]) in overlay.iter().zip(&totals) {
        let found = overlay.each_ref().map(Seen::packets);
        assert_eq!(found, [*arrived, *left], "{}", overlay[0].what);
    }
    let arrived: u64 = totals.iter().map(|[arrived, _]| arrived).sum();
    let requests: u64 = calls.iter().map(|call| call.exchanges).sum();
    assert!(
        arrived >= requests,
        "{arrived} packets, {requests} requests"
    );
    let seen = |both: &[Seen; 2]| both.each_ref().map(Seen::packets);
    assert_eq!(seen(&ports), [arrived, 0], "{}", ports[0].what);
    // With br_netfilter the bridge has translated before its own device sees the packet.
    let wanted = match lab.topology().bridge_netfilter {
        BridgeNetfilter::On => [0, arrived],
        BridgeNetfilter::Off => [arrived, 0],
    };
    assert_eq!(seen(&bridge), wanted, "{}", bridge[0].what);
}

/// Asks the DNS Service: every query is answered, by all backends.
fn check_queries(lab: &Lab, client: &Node, service: &Service) {
    const QUERIES: u16 = 20;
    assert_eq!((service.port, service.protocol), (53, Protocol::Udp));
    let places: Vec<_> = service
        .backends
        .iter()
        .map(|backend| (Place::from(pod(lab, backend)), backend.port))
        .collect();
    let resolvers = Resolvers::serve(&places).expect("servers");
    let to_service = format!("ip daddr {} udp dport 53", service.address);
    let port = &client.pods[0].host_veth;
    let asked = Seen::new(&client.netns, port, Hook::Ingress, &to_service);
    let length = format!("udp dport 53 ip length {}", 28 + QUERY);
    let carried = Seen::new(&client.netns, VXLAN, Hook::Egress, &length);
    let queries = Queries {
        client: Place::from(&client.pods[0]),
        target: service.socket(),
        count: QUERIES,
    };
    let report = queries.drive(&Stop::default()).expect("queries");
    let answered = &report.answered;
    assert_eq!(
        (report.sent, answered.values().sum()),
        (u64::from(QUERIES), u64::from(QUERIES))
    );
    // In turn, but for a query from a port that the kernel dealt before: it goes where that one went.
    let fair = u64::from(QUERIES) / 2 - 2..=u64::from(QUERIES) / 2 + 2;
    let addresses: Vec<_> = service.backends.iter().map(|own| own.address).collect();
    assert!(
        addresses.len() == answered.len()
            && addresses.iter().all(|own| fair.contains(&answered[own])),
        "{answered:?}"
    );
    assert_eq!(&resolvers.heard(), answered);
    let found = [asked, carried].map(|seen| seen.packets());
    assert_eq!(found, [u64::from(QUERIES); 2]);
}

/// Both ends say the same of every connection, and backends have had them in turn.
fn assert_truth(service: &Service, calls: &[Call], accepted: &[Accepted]) {
    assert_eq!((calls.len(), accepted.len()), (ALL, ALL));
    let mut shares: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
    for call in calls {
        let own = |accepted: &&Accepted| accepted.number == Some(call.number);
        let other = accepted.iter().find(own).expect("the servers know it");
        assert_eq!(Some(other.server), call.server);
        assert_eq!(other.requests, call.exchanges);
        assert!(other.ended, "{other:?}");
        *shares.entry(other.server).or_default() += 1;
    }
    let wanted = service
        .backends
        .iter()
        .map(|backend| (backend.address, ALL / service.backends.len()));
    assert_eq!(shares, wanted.collect());
    let early = calls.iter().filter(|call| call.exchanges == 10).count();
    assert_eq!(early, EARLY, "the early ones have had both rounds");
    assert_eq!(MESSAGE, 64, "one message is one packet");
}

/// A masquerading node shows the address of its own bridge, another one the caller.
fn assert_sources(lab: &Lab, caller: &Pod, service: &Service, accepted: &[Accepted]) {
    for own in accepted {
        let backend = service
            .backends
            .iter()
            .find(|backend| backend.address == own.server)
            .expect("a backend");
        let wanted = if service.name == "masked" {
            node_of(lab, backend).pod_address(1)
        } else {
            caller.address
        };
        assert_eq!(*own.peer.ip(), wanted, "{} {own:?}", service.name);
    }
}

fn pod<'a>(lab: &'a Lab, backend: &Backend) -> &'a Pod {
    lab.pod(&backend.pod).expect("pod")
}

fn node_of<'a>(lab: &'a Lab, backend: &Backend) -> &'a Node {
    let is_there = |node: &&Node| node.pods.iter().any(|pod| pod.name == backend.pod);
    lab.nodes().iter().find(is_there).expect("node")
}

fn address_of_service(service: &Service) -> String {
    format!("ip daddr {} tcp dport {}", service.address, service.port)
}

fn addresses(service: &Service) -> String {
    let all = service.backends.iter().map(|backend| backend.address);
    let all: Vec<String> = all.map(|address| address.to_string()).collect();
    format!("ip daddr {{ {} }} tcp dport 8080", all.join(", "))
}
