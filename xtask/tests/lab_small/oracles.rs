//! The second opinions against packets whose number, mark and fragments are known.

use std::fs;
use std::path::Path;

use xtask::lab::topology::TUNNEL;
use xtask::lab::{Lab, Scenario};
use xtask::oracle::capture::is_possible;
use xtask::oracle::{Counter, Counters, Hook, Mark, Packets, Tap};
use xtask::skip;
use xtask::traffic::{Ping, Place, Stop};

use super::bench::{lab_options, possible};

/// Echo requests from the first pod of one node to that of another, all answered.
fn ping(lab: &Lab, [from, to]: [usize; 2], length: u32) {
    let pod = |node: usize| &lab.nodes()[node].pods[0];
    let ping = Ping::new(Place::from(pod(from)), pod(to).address, 5).with_full_packet(length);
    let report = ping.drive(&Stop::default()).expect("ping");
    assert_eq!((report.sent, report.received), (5, 5));
}

#[test]
fn fragments_are_counted_where_they_leave_and_where_they_arrive() {
    if !possible("oracles::fragments_are_counted_where_they_leave_and_where_they_arrive") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "cut")).expect("lab comes up");
    for node in ["n1", "n2"] {
        lab.set_mtu(node, "lima0", 1400).expect("set");
    }
    let netns = [0, 1].map(|node| lab.nodes()[node].netns.as_str());
    let count = |side: usize, hook, packets: Packets| {
        Counter::install(netns[side], "lima0", hook, packets).expect("counter")
    };
    let cut = || Packets::all().in_fragments();
    let counters = [
        count(0, Hook::Egress, cut()),
        count(1, Hook::Ingress, cut()),
        count(0, Hook::Egress, cut().with_mark(Mark::Tailscaled)),
        // Only the first fragment has ports.
        count(0, Hook::Egress, cut().to_udp_port(8472)),
    ];
    let read = || Counters::read(netns[0]).expect("counters");
    let before = read();
    ping(&lab, [0, 1], 1450);
    let found = counters.map(|counter| counter.read().expect("count").packets);
    assert_eq!(found, [10, 10, 0, 5], "five requests, each cut in two");
    let grown = read().since(&before);
    let wanted = [
        ("IpFragOKs", 5),
        ("IpFragCreates", 10),
        ("IpFragFails", 0),
        ("IpReasmReqds", 10),
        ("IpReasmOKs", 5),
    ];
    for (name, wanted) in wanted {
        assert_eq!(grown.get(name), wanted, "{name}");
    }
}

#[test]
fn mark_of_the_tunnel_is_seen_where_it_leaves_only() {
    if !possible("oracles::mark_of_the_tunnel_is_seen_where_it_leaves_only") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1, "mark")).expect("lab comes up");
    let [one, other] = [0, 1].map(|node| lab.nodes()[node].netns.as_str());
    // A session that is fresh: no handshake is due while the pings are counted.
    ping(&lab, [0, 1], 100);
    let count = |netns, device, hook, packets: Packets| {
        // Keepalives and handshakes are shorter than what carries a ping.
        let packets = packets.and("meta length > 200");
        Counter::install(netns, device, hook, packets).expect("counter")
    };
    let tunnel = |mark| Packets::all().to_udp_port(41641).with_mark(mark);
    let vxlan = |mark| Packets::all().to_udp_port(8472).with_mark(mark);
    let counters = [
        count(one, "eth0", Hook::Egress, tunnel(Mark::Tailscaled)),
        count(one, "eth0", Hook::Egress, tunnel(Mark::Clear)),
        count(other, "eth0", Hook::Ingress, tunnel(Mark::Tailscaled)),
        count(other, "eth0", Hook::Ingress, tunnel(Mark::Clear)),
        count(one, TUNNEL, Hook::Egress, vxlan(Mark::Tailscaled)),
        count(one, TUNNEL, Hook::Egress, vxlan(Mark::Clear)),
        count(one, TUNNEL, Hook::Egress, vxlan(Mark::Forwarded)),
    ];
    ping(&lab, [0, 1], 400);
    let found = counters.map(|counter| counter.read().expect("count").packets);
    assert_eq!(found, [5, 0, 0, 5, 0, 5, 0]);
}

#[test]
fn capture_holds_every_packet_up_to_its_end() {
    let name = "oracles::capture_holds_every_packet_up_to_its_end";
    if !possible(name) {
        return;
    }
    if !is_possible() {
        let tap = Tap::new("none", "eth0");
        let said = tap.start(Path::new("/dev/null")).expect_err("no tcpdump");
        assert!(said.to_string().contains("install tcpdump"), "{said}");
        return skip::skip(name, "no tcpdump");
    }
    let lab = Lab::up(lab_options(Scenario::H2, "pcap")).expect("lab comes up");
    let netns = lab.nodes()[0].netns.as_str();
    let file = lab.directory().join("lima0.pcap");
    let tap = Tap {
        filter: "udp dst port 8472",
        snap_length: 120,
        ..Tap::new(netns, "lima0")
    };
    let capture = tap.start(&file).expect("start");
    ping(&lab, [0, 1], 1000);
    let captured = capture.end().expect("end");
    assert_eq!((captured.packets, captured.dropped), (10, 0));
    let records = records(&file);
    assert_eq!(
        records,
        [[120, 1064]; 10],
        "kept, and whole with 64 bytes around the inner packet"
    );

    // One that is only dropped ends as orderly, and leaves no process.
    let capture = tap.start(&file).expect("start");
    let pid = capture.pid();
    ping(&lab, [1, 0], 500);
    drop(capture);
    assert_eq!(self::records(&file).len(), 10);
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "tcpdump is left"
    );

    let missing = Tap::new(netns, "lima7")
        .start(&file)
        .expect_err("no such device");
    let said = missing.to_string();
    assert!(said.contains("tcpdump") && said.contains("lima7"), "{said}");
}

/// Kept and real length of every packet in a file with nanosecond times.
fn records(file: &Path) -> Vec<[u32; 2]> {
    let bytes = fs::read(file).expect("a file");
    let word = |position: usize| {
        let word = bytes.get(position..position + 4).expect("whole");
        u32::from_le_bytes(word.try_into().expect("four bytes"))
    };
    assert_eq!(word(0), 0xa1b2_3c4d, "nanoseconds");
    let mut position = 24;
    let mut records = Vec::new();
    while position < bytes.len() {
        let [kept, length] = [8, 12].map(|field| word(position + field));
        records.push([kept, length]);
        position += 16 + usize::try_from(kept).expect("small");
    }
    records
}
