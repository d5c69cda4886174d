//! VXLAN inside VXLAN. A device of the nodes that carries a pair of pods through flannel's adds a layer
//! to their path; the VXLAN that a pod makes is its own traffic, whatever stands in it.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use xtask::lab::topology::TUNNEL;
use xtask::lab::{Lab, Node, Pod, Scenario, netns};
use xtask::oracle::{Count, Counter, Hook};
use xtask::traffic::{Ping, PingPong, Place, Stop, Until};

use super::agent::Agent;
use super::bench::{agents_on, lab, options, run, silence, turn};
use super::output::{Counted, PathLine, Sweep};

/// The nodes' own device over flannel's, and its network identifier.
const DEVICE: &str = "vxnodes";
const NETWORK: &str = "77";
/// Outer IP, UDP, VXLAN and inner Ethernet header of each of the two.
const AROUND: u64 = 50 + 50;
const REQUESTS: u32 = 40;
/// Delayed acknowledgements and answers to them are out by then.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn vxlan_in_vxlan_is_counted_as_nft_does_and_named_by_both_layers() {
    let test = "nesting::vxlan_in_vxlan_is_counted_as_nft_does_and_named_by_both_layers";
    check(
        test,
        Scenario::H2,
        &Wanted {
            class: "vxlan-vmnet",
            encap: "vxlan>vxlan",
            depth: 2,
            point: "underlay",
            mtu: 1_400,
        },
    );
}

#[test]
fn vxlan_in_vxlan_in_the_tunnel_is_counted_as_nft_does_and_named_by_all_layers() {
    let test =
        "nesting::vxlan_in_vxlan_in_the_tunnel_is_counted_as_nft_does_and_named_by_all_layers";
    check(
        test,
        Scenario::S1,
        &Wanted {
            class: "vxlan-tailscale-direct",
            encap: "wireguard>vxlan>vxlan",
            depth: 3,
            point: "tunnel",
            mtu: 1_180,
        },
    );
}

/// What the agents must say.
struct Wanted {
    class: &'static str,
    encap: &'static str,
    depth: u64,
    point: &'static str,
    mtu: u32,
}

fn check(test: &str, scenario: Scenario, wanted: &Wanted) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(scenario, "nest"));
    silence(&lab);
    let nodes = [&lab.nodes()[0], &lab.nodes()[1]];
    let ends = nodes.map(|node| Place::from(&node.pods[0]));
    connect(nodes);
    let agents = agents_on(nodes.into_iter(), &["--sample-one-in", "1"]);
    // The pair has its path before anything is counted.
    talk(&ends);
    for agent in &agents {
        agent.await_sweep("the pair with all its layers", |sweep| {
            let pair = [0, 1].map(|from| sweep.path(ends[from].address, ends[1 - from].address));
            pair.iter()
                .all(|path| path.is_some_and(|path| path.encap.as_deref() == Some(wanted.encap)))
        });
    }
    let counters = nodes.map(|node| directions(node, nodes, wanted.point));
    let before = agents
        .iter()
        .map(|agent| counted(agent, &ends, wanted.point));
    let before: Vec<_> = before.collect();
    talk(&ends);
    for ((agent, counters), before) in agents.iter().zip(&counters).zip(before) {
        let passed = counters
            .each_ref()
            .map(|counter| counter.read().expect("nft"));
        let after = counted(agent, &ends, wanted.point);
        for direction in [0, 1] {
            let [after, before] = [after[direction], before[direction]];
            let Count { packets, bytes } = passed[direction];
            // What leaves by a wire has its link header already.
            let leaves = nodes[direction].name == agent.node() && wanted.point == "underlay";
            let link = if leaves { 14 } else { 0 };
            assert!(packets > u64::from(REQUESTS), "{}: {packets}", agent.node());
            let counted = [after.packets - before.packets, after.bytes - before.bytes];
            assert_eq!(
                counted,
                [packets, bytes - (AROUND + link) * packets],
                "{}, direction {direction}",
                agent.node()
            );
        }
        let sweep = agent.next_sweep();
        for from in [0, 1] {
            let path = sweep.path(ends[from].address, ends[1 - from].address);
            assert_path(path.expect("the pair"), wanted);
        }
        let carriers = sweep.path(nodes[0].pod_network, nodes[1].pod_network);
        assert!(carriers.is_none(), "carriers are the host's: {carriers:?}");
        assert!(sweep.collected("host") > u64::from(REQUESTS), "{sweep:?}");
        assert_eq!(sweep.ledger.get("too_deep"), 0, "{sweep:?}");
    }
    for agent in agents {
        agent.end();
    }
}

fn assert_path(path: &PathLine, wanted: &Wanted) {
    let found = (path.class.as_deref(), path.encap.as_deref(), path.depth);
    let expected = (Some(wanted.class), Some(wanted.encap), Some(wanted.depth));
    assert_eq!(found, expected, "{path:?}");
    let mtu = path.mtu.as_ref().expect("an MTU");
    assert_eq!(mtu.effective, wanted.mtu, "{path:?}");
    assert!(path.rtt(wanted.point).is_some(), "it is timed: {path:?}");
}

/// Leads each node's packets for the other's pod into a VXLAN device whose peer is the other's address
/// in the pods' network: a carrier that flannel carries.
fn connect(nodes: [&Node; 2]) {
    let mac = |number: usize| format!("02:77:00:00:00:0{number}");
    for (number, (own, far)) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])]
        .into_iter()
        .enumerate()
    {
        let ip = |line: &str| run(&own.netns, &line.split(' ').collect::<Vec<_>>());
        let (local, remote) = (own.pod_network, far.pod_network);
        ip(&format!(
            "ip link add {DEVICE} address {} type vxlan id {NETWORK} local {local} remote {remote} \
             dstport 8472 nolearning",
            mac(number)
        ));
        let mtu = own.pod_mtu - 50;
        ip(&format!("ip link set {DEVICE} mtu {mtu} up"));
        // An address that nobody has: a next hop alone.
        let next = "169.254.77.1";
        let far_mac = mac(1 - number);
        ip(&format!(
            "ip neigh add {next} lladdr {far_mac} dev {DEVICE} nud permanent"
        ));
        let pod = far.pods[0].address;
        ip(&format!(
            "ip route add {pod}/32 via {next} dev {DEVICE} onlink"
        ));
    }
}

/// Echoes and a connection between the two pods, each way, until nothing more comes of them.
fn talk([one, other]: &[Place; 2]) {
    let ping = Ping::new(one.clone(), other.address, REQUESTS);
    let report = ping.drive(&Stop::default()).expect("echo requests");
    assert_eq!(report.received, REQUESTS);
    for (client, server) in [(one, other), (other, one)] {
        let until = Until::Elapsed(QUIET);
        PingPong::new(client.clone(), server.clone(), until)
            .drive(&Stop::default())
            .expect("exchange");
    }
    thread::sleep(QUIET);
}

/// VXLAN from the first of two nodes to the second and back, where the first packets of the carriers
/// stand: on the wire, or in the tunnel.
fn directions(node: &Node, nodes: [&Node; 2], point: &str) -> [Counter; 2] {
    let device = if point == "tunnel" {
        TUNNEL
    } else {
        &node.devices[0].name
    };
    [(nodes[0], nodes[1]), (nodes[1], nodes[0])].map(|(from, to)| {
        let hook = if from.name == node.name {
            Hook::Egress
        } else {
            Hook::Ingress
        };
        let ends = format!("ip saddr {} ip daddr {} udp dport 8472", from.vtep, to.vtep);
        Counter::install(&node.netns, device, hook, ends).expect("nft")
    })
}

/// What an agent counted of the pair at a point, there and back.
fn counted(agent: &Agent, ends: &[Place; 2], point: &str) -> [Counted; 2] {
    let sweep = agent.next_sweep();
    [0, 1].map(|from| {
        let path = sweep.path(ends[from].address, ends[1 - from].address);
        path.expect("the pair").points[point]
    })
}

/// VXLAN and a datagram of 8 bytes from 10.42.1.77 to 10.42.2.77: of a cluster inside the pods, with the
/// very networks of the one around it.
#[rustfmt::skip]
const INSIDE: [u8; 58] = [
    8, 0, 0, 0, 0, 0, 1, 0,
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00,
    0x45, 0, 0, 36, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 42, 1, 77, 10, 42, 2, 77,
    0x9c, 0x40, 0x14, 0x51, 0, 16, 0, 0,
    0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61,
];

#[test]
fn vxlan_that_a_pod_makes_is_its_own_traffic() {
    let Some(_turn) = turn("nesting::vxlan_that_a_pod_makes_is_its_own_traffic") else {
        return;
    };
    let lab: Lab = lab(options(Scenario::H2, "podvx"));
    silence(&lab);
    let [from, to] = [0, 1].map(|node: usize| &lab.nodes()[node].pods[0]);
    let agents = agents_on(lab.nodes()[..2].iter(), &[]);
    send(from, to);
    let pair = |sweep: &Sweep| sweep.path(from.address, to.address).cloned();
    for agent in &agents {
        agent.await_sweep("the pair", |sweep| pair(sweep).is_some());
    }
    let before: Vec<_> = agents
        .iter()
        .map(|agent| pair(&agent.next_sweep()))
        .collect();
    send(from, to);
    for (agent, before) in agents.into_iter().zip(before) {
        let before = before.expect("the pair").at("underlay");
        let sweep = agent.await_sweep("all of the pod's packets", |sweep| {
            pair(sweep).is_some_and(|path| path.at("underlay") == before + u64::from(REQUESTS))
        });
        let path = pair(&sweep).expect("the pair");
        assert_eq!(
            (path.encap.as_deref(), path.depth),
            (Some("vxlan"), Some(1))
        );
        let nobody = sweep.path([10, 42, 1, 77], [10, 42, 2, 77]);
        assert!(nobody.is_none(), "{nobody:?}");
        assert_eq!(sweep.ledger.get("too_deep"), 0, "{sweep:?}");
        agent.end();
    }
}

/// Datagrams with VXLAN in them from one pod to another one.
fn send(from: &Pod, to: &Pod) {
    let listener = netns::within(&to.netns, || UdpSocket::bind((to.address, 8_472)));
    let _listener = listener.expect("namespace").expect("socket");
    let sent = netns::within(&from.netns, || {
        let socket = UdpSocket::bind((from.address, 0))?;
        for _ in 0..REQUESTS {
            socket.send_to(&INSIDE, (to.address, 8_472))?;
            thread::sleep(Duration::from_millis(5));
        }
        Ok::<_, std::io::Error>(())
    });
    sent.expect("namespace").expect("messages");
}
