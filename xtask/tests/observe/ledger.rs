//! Nothing passes uncounted: at every point, the packets that nftables counts are the sum of the
//! agent's rows there, and what is in no row is in the ledger.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use observer_ebpf::abi::point::Point;
use socket2::{Domain, Protocol, Socket, Type};
use xtask::lab::{Pod, Scenario, netns};
use xtask::oracle::Counters;
use xtask::traffic::{Bulk, Datagrams, Ping, Place, Stop, Volume};

use super::account::{HEADERS, Step, Watched, steps};
use super::agent::Agent;
use super::bench::{agents_on, lab, options, silence, turn};
use super::kernel::Sum;

/// Exact loads.
const DATAGRAMS: u32 = 400;
const DATAGRAM: usize = 500;
const PINGS: u32 = 25;
const BULK: u64 = 3_000_000;
const LIES: u64 = 10;
/// What a transfer carries beside its bytes: the receiver's confirmation, and in both SYNs 8 bytes
/// of options more than in other headers.
pub(crate) const BESIDE: u64 = 8 + 2 * 8;

#[test]
fn rows_add_up_to_what_nft_counts_at_every_point_of_h2() {
    let test = "ledger::rows_add_up_to_what_nft_counts_at_every_point_of_h2";
    check(test, Scenario::H2, Point::Underlay0, &[]);
}

#[test]
fn rows_add_up_to_what_nft_counts_at_every_point_of_s1() {
    let test = "ledger::rows_add_up_to_what_nft_counts_at_every_point_of_s1";
    check(test, Scenario::S1, Point::Tunnel, &[]);
}

/// Both counts agree at every point, whatever passes; the agents take `arguments`.
pub(crate) fn check(test: &str, scenario: Scenario, carries_vxlan: Point, arguments: &[&str]) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(scenario, "sum"));
    // Hairpin sends a pod's multicast back by the same port, where the agent counts a packet once.
    silence(&lab);
    for pod in lab.nodes().iter().flat_map(|node| &node.pods) {
        // Selective acknowledgements make headers of other lengths.
        let set = || fs::write("/proc/sys/net/ipv4/tcp_sack", "0");
        netns::within(&pod.netns, set)
            .expect("namespace")
            .expect("switch");
    }
    let mut nodes: Vec<_> = lab.nodes().iter().collect();
    fastrand::shuffle(&mut nodes);
    nodes.truncate(2);
    let agents = agents_on(nodes.iter().copied(), arguments);
    let watched = [0, 1].map(|place| Watched::new(nodes[place], &agents[place]));
    let [from, to] = [0, 1].map(|place| Place::from(&nodes[place].pods[0]));
    // Names the pair, so that no packet below counts as unknown.
    for agent in &agents {
        agent.await_path([from.address, to.address], || ping(&from, &to, 1));
    }
    let on_path = [Point::Port, Point::Bridge, Point::Overlay, carries_vxlan];
    let assert_exact = |what: &str, steps: [Step; 2], packets: u64, bytes: u64| {
        for (step, node) in steps.iter().zip(&nodes) {
            step.assert_adds_up(carries_vxlan);
            let wanted = Sum {
                buffers: packets,
                segments: packets,
                bytes: packets * bytes,
            };
            let found = on_path.map(|point| step.pods(point));
            assert_eq!(found, [wanted; 4], "{what} at {} of {on_path:?}", node.name);
        }
    };

    let counted = steps(&watched, || send_datagrams(&from, &to));
    let length = u64::try_from(DATAGRAM).expect("small") + 28;
    assert_exact("datagrams", counted, DATAGRAMS.into(), length);
    let counted = steps(&watched, || ping(&from, &to, PINGS));
    assert_exact("pings", counted, (2 * PINGS).into(), 84);
    let sent = || [0, 1].map(|place| Counters::read(&nodes[place].pods[0].netns).expect("snmp"));
    let before = sent();
    let counted = steps(&watched, || send_bulk(&from, &to));
    let sent = [0, 1].map(|place| sent()[place].since(&before[place]));
    let sum = |name| sent.iter().map(|pod| pod.get(name)).sum::<i64>();
    for step in &counted {
        step.assert_adds_up(carries_vxlan);
        // What is sent again was lost between two points.
        if sum("TcpRetransSegs") == 0 {
            let segments = sum("TcpOutSegs").try_into().expect("a count");
            assert_transfer(step, on_path, segments);
        }
    }
    let pod = &nodes[0].pods[0];
    let nobody = if pod.address == nodes[0].pod_address(254) {
        253
    } else {
        254
    };
    let nobody = nodes[0].pod_address(nobody);
    let strange = || send_strange(nobody, pod, &to);
    let [own, others] = steps(&watched, strange);
    for step in [&own, &others] {
        step.assert_frames();
    }
    assert!(own.counted.refused > 4 * LIES, "ARP is a stranger too");
    assert!(others.counted.refused >= 4 * LIES, "{others:#?}");
    for (agent, watched) in agents.into_iter().zip(&watched) {
        assert_lines(agent, watched, [&from, &to]);
    }
}

/// Segments of aggregates are those that the pods' TCP has sent (`OutSegs`, RFC 4022), and hold the
/// payload.
fn assert_transfer(step: &Step, on_path: [Point; 4], segments: u64) {
    for point in on_path {
        let sum = step.pods(point);
        assert_eq!(sum.segments, segments, "segments at {point:?}: {sum:?}");
        let payload = sum.bytes - HEADERS * sum.segments;
        assert_eq!(payload, BULK + BESIDE, "payload at {point:?}: {sum:?}");
    }
}

/// The lines at the end repeat the rows of the pod point, and the ledger its cells.
fn assert_lines(agent: Agent, watched: &Watched, [one, other]: [&Place; 2]) {
    let rows = watched.still().counted;
    let ended = agent.end();
    let last = ended.last();
    let lines = [(one, other), (other, one)];
    let lines = lines.map(|(from, to)| last.path(from.address, to.address).expect("path"));
    let packets: u64 = lines.iter().map(|line| line.packets).sum();
    let bytes: u64 = lines.iter().map(|line| line.bytes).sum();
    let row = rows.pods[Point::Port as usize];
    // A pair may get its name while its first packet is between two points: each point knows its part.
    let unknown: u64 = last.unknown().map(|line| line.at("pod")).sum();
    assert_eq!(
        packets,
        lines.map(|line| line.at("pod")).iter().sum::<u64>()
    );
    assert_eq!(packets + unknown, row.segments, "{lines:?}");
    assert!(bytes <= row.bytes && bytes > BULK, "{lines:?} of {row:?}");
    let ledger = &last.ledger;
    assert!(ledger.get("frames") >= rows.frames, "{ledger:?}");
    // At the port, the bridge, the overlay and where VXLAN is opened.
    assert_eq!(
        ledger.reason("parse_rejected", "udp_length"),
        4 * LIES,
        "{ledger:?}"
    );
    assert_eq!(ledger.get("parse_rejected"), 4 * LIES, "{ledger:?}");
    let refused = ledger.get("parse_rejected") + ledger.get("not_ours");
    assert!(refused >= rows.refused, "{ledger:?}");
    for loss in [
        "flow_refused_budget",
        "flow_refused_map",
        "unattributed",
        "ring_full",
        "round_trip_ring_full",
    ] {
        assert_eq!(ledger.get(loss), 0, "{loss}: {ledger:?}");
    }
}

fn send_datagrams(from: &Place, to: &Place) {
    let load = Datagrams {
        gap: Duration::from_micros(200),
        ..Datagrams::new(from.clone(), to.clone(), DATAGRAMS, DATAGRAM)
    };
    let report = load.drive(&Stop::default()).expect("datagrams");
    assert_eq!((report.sent, report.received), (DATAGRAMS, DATAGRAMS));
}

/// Frames that are no packets for us (ARP) and datagrams that say they are shorter than their header.
fn send_strange(nobody: Ipv4Addr, from: &Pod, to: &Place) {
    let sent = netns::within(&from.netns, || {
        // Nobody answers there, so the pod asks in vain who has it.
        UdpSocket::bind((from.address, 0))?.send_to(b"?", (nobody, 9))?;
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP))?;
        let target = SocketAddr::new(to.address, 0).into();
        // Ports 1 and 9, length 4, no checksum.
        let lie = [0, 1, 0, 9, 0, 4, 0, 0];
        for _ in 0..LIES {
            socket.send_to(&lie, &target)?;
            thread::sleep(Duration::from_millis(5));
        }
        io::Result::Ok(())
    });
    sent.expect("namespace").expect("raw socket");
}

fn ping(from: &Place, to: &Place, count: u32) {
    let report = Ping::new(from.clone(), to.address, count).drive(&Stop::default());
    assert_eq!(report.expect("ping").received, count);
}

fn send_bulk(from: &Place, to: &Place) {
    let load = Bulk::new(from.clone(), to.clone(), Volume::Bytes(BULK));
    assert_eq!(load.drive(&Stop::default()).expect("transfer").bytes, BULK);
}
