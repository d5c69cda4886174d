//! S3: what is for a node with a new address leaves for its old one, and nothing comes back, until
//! the forwarding entries are mended.

use std::net::Ipv4Addr;
use std::time::Duration;

use xtask::lab::topology::{Role, VXLAN};
use xtask::lab::{Lab, Node, Outcome, Scenario};
use xtask::oracle::{Counter, Counters, Hook, Question, route};
use xtask::traffic::{Calls, Ping, Place, Servers, Stop};

use super::bench::{assert_nothing_left, lab_options, possible};

const PINGS: u32 = 5;

#[test]
fn s3_sends_to_the_old_address_and_hears_nothing() {
    if !possible("stale::s3_sends_to_the_old_address_and_hears_nothing") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S3, "stale")).expect("lab comes up");
    eprintln!("{}", lab.status());
    let (moved, members) = roles(&lab);
    let former = moved.former.expect("an old address");
    assert_eq!(answers(members[0], members[1]), PINGS, "between the others");
    for path in lab.expected() {
        let silent = [&path.from, &path.to].map(|pod| *pod == moved.pods[0].name);
        let wanted = if silent == [false; 2] {
            Outcome::Reply
        } else {
            Outcome::NoReply
        };
        assert_eq!((path.outcome, path.class), (wanted, "vxlan-lan"));
    }
    for member in &members {
        let device = route::get(&member.netns, former, Question::default()).expect("route");
        assert_eq!(device.dev.as_deref(), Some("eth0"));
        let counters = OldAddress::watch(member, former);
        assert_eq!(answers(member, moved), 0);
        assert_eq!(counters.read(), [PINGS, PINGS, 0], "{}", member.name);
        // The way back of what the moved node asks is as silent; the way there is not.
        let counters = OldAddress::watch(member, former);
        assert_eq!(answers(moved, member), 0);
        assert_eq!(counters.read(), [PINGS, PINGS, 0], "{}", member.name);
    }
    for member in &members {
        let address = moved.devices[0].address;
        lab.set_vtep(&member.name, &moved.name, address)
            .expect("mend");
        assert_eq!(answers(member, moved), PINGS);
        assert_eq!(answers(moved, member), PINGS);
    }
    let status = lab.status();
    drop(lab);
    assert_nothing_left(&status);
}

#[test]
fn open_connections_wait_for_the_entry_to_be_mended() {
    if !possible("stale::open_connections_wait_for_the_entry_to_be_mended") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S3, "wait")).expect("lab comes up");
    let (moved, members) = roles(&lab);
    let (client, server) = (&members[0], &members[1]);
    let former = moved.former.expect("an old address");
    let place = Place::from(&server.pods[0]);
    let servers = Servers::serve(&[(place, 8080)]).expect("server");
    let target = std::net::SocketAddrV4::new(server.pods[0].address, 8080);
    let mut calls = Calls::new(Place::from(&client.pods[0]), target);
    calls.open(3).expect("open");
    calls.exchange(2).expect("exchange");
    lab.set_vtep(&client.name, &server.name, former)
        .expect("stale");
    calls.ask().expect("ask");
    let before = Counters::read(&client.pods[0].netns).expect("counters");
    std::thread::sleep(Duration::from_millis(700));
    let waiting: Vec<u64> = servers.accepted().iter().map(|own| own.requests).collect();
    assert_eq!(waiting, [2; 3], "no request arrives");
    let after = Counters::read(&client.pods[0].netns).expect("counters");
    assert!(after.since(&before).get("TcpRetransSegs") >= 3);
    lab.set_vtep(&client.name, &server.name, server.devices[0].address)
        .expect("mend");
    calls.hear().expect("answers");
    let calls = calls.close().expect("all ended");
    assert!(calls.iter().all(|call| call.exchanges == 3), "{calls:?}");
}

#[test]
fn address_that_nobody_has_lets_nothing_leave() {
    if !possible("stale::address_that_nobody_has_lets_nothing_leave") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S3, "nobody")).expect("lab comes up");
    let (_, members) = roles(&lab);
    let [one, other] = [members[0], members[1]];
    // The lab deals hosts up to 250.
    let network = one.devices[0].address.to_bits() & !0xff;
    let nobody = Ipv4Addr::from_bits(network + 253);
    lab.set_vtep(&one.name, &other.name, nobody).expect("set");
    let counters = OldAddress::watch(one, nobody);
    assert_eq!(answers(one, other), 0);
    assert_eq!(counters.read(), [PINGS, 0, 0], "no neighbour, no frame");
}

/// Counters of what goes to an old address: at flannel.1, on the wire, and back from it.
struct OldAddress([Counter; 3]);

impl OldAddress {
    fn watch(node: &Node, former: Ipv4Addr) -> Self {
        let count = |device: &str, hook, expression: &str| {
            Counter::install(&node.netns, device, hook, expression).expect("counter")
        };
        let to = format!("ip daddr {former} udp dport 8472");
        let from = format!("ip saddr {former}");
        Self([
            count(VXLAN, Hook::Egress, "meta l4proto icmp"),
            count("eth0", Hook::Egress, &to),
            count("eth0", Hook::Ingress, &from),
        ])
    }

    fn read(&self) -> [u32; 3] {
        let read = |counter: &Counter| counter.read().expect("count").packets;
        let found = self.0.each_ref().map(read);
        found.map(|packets| u32::try_from(packets).expect("few"))
    }
}

fn roles(lab: &Lab) -> (&Node, Vec<&Node>) {
    let (moved, members): (Vec<_>, Vec<_>) = lab
        .nodes()
        .iter()
        .partition(|node| node.role == Role::Moved);
    (moved[0], members)
}

/// How many pings between the first pods of two nodes are answered.
fn answers(from: &Node, to: &Node) -> u32 {
    let ping = Ping {
        patience: Duration::from_millis(200),
        ..Ping::new(Place::from(&from.pods[0]), to.pods[0].address, PINGS)
    };
    ping.drive(&Stop::default()).expect("ping").received
}
