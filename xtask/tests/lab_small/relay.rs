//! S5 and H8: tunnels go through the relay and not past it, in packets of the right size, as late as
//! the relay is told, and past it once the endpoints answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use xtask::lab::relay::{FRAME_OVERHEAD, GENEVE_HEADER};
use xtask::lab::topology::{Mode, Relay, TUNNEL};
use xtask::lab::wireguard::{PING, TRUST};
use xtask::lab::{DirectUdp, Lab, Node, Scenario};
use xtask::oracle::{Counter, Hook, Question, route};
use xtask::traffic::{Bulk, Ping, Place, Stop, Volume};

use super::bench::{assert_nothing_left, lab_options, possible};
use super::steering::{assert_delay, median_us};

/// `WireGuard` data from node to node, past every relay.
const DIRECT: &str = "udp dport 41641 @th,64,32 0x04000000";
/// Discovery: magic of six bytes.
const DISCOVERY: &str = "udp dport 41641 @th,64,48 0x5453f09f92ac";
/// Pings of 84 bytes, in VXLAN, padded to a multiple of 16, with `WireGuard`'s header and tag.
const PINGS: u32 = 10;
const DATAGRAM: usize = 32 + 144;
/// IPv4 with UDP, and with TCP and its timestamps.
const UDP: usize = 28;
const TCP: usize = 52;

#[test]
fn s5_goes_through_the_relay_in_frames_of_its_tcp_connections() {
    let test = "relay::s5_goes_through_the_relay_in_frames_of_its_tcp_connections";
    let marked = |relay: &Relay, node: &Node, _: &Node| {
        let (address, port) = (relay.listen.ip(), relay.listen.port());
        let length = DATAGRAM + FRAME_OVERHEAD + TCP;
        let own = node.devices[0].address;
        let stream = format!("ip saddr {own} ip daddr {address} tcp dport {port}");
        format!("{stream} meta mark 0x80000 ip length {length}")
    };
    check(test, Scenario::S5, "vxlan-tailscale-derp", marked);
}

#[test]
fn h8_goes_through_the_relay_behind_a_geneve_header() {
    let test = "relay::h8_goes_through_the_relay_behind_a_geneve_header";
    let geneve = |relay: &Relay, node: &Node, peer: &Node| {
        let (address, port) = (relay.listen.ip(), relay.listen.port());
        let vni = relay.session(&node.name, &peer.name).expect("session").vni;
        let length = DATAGRAM + GENEVE_HEADER + UDP;
        let datagrams = format!("ip daddr {address} udp sport 41641 udp dport {port}");
        format!("{datagrams} meta mark 0x80000 ip length {length} @th,64,64 0x00007a12{vni:06x}00")
    };
    check(test, Scenario::H8, "vxlan-tailscale-peer-relay", geneve);
}

/// Counts pings on each node's wire by the expression, which names their exact size.
fn check(
    test: &str,
    scenario: Scenario,
    class: &str,
    expression: fn(&Relay, &Node, &Node) -> String,
) {
    if !possible(test) {
        return;
    }
    let lab = Lab::up(lab_options(scenario, "relay")).expect("lab comes up");
    eprintln!("{}", lab.status());
    let remote = lab.expected();
    let remote = remote.iter().filter(|path| path.class != "same-node");
    assert_eq!(
        remote.map(|path| path.class).collect::<HashSet<_>>(),
        HashSet::from([class])
    );
    let relay = lab.relay().expect("a relay");
    for (node, peer) in both_ways(&lab) {
        assert_road(relay, node);
        let carried = wire(node, Hook::Egress, &expression(relay, node, peer));
        let entered = Counter::install(&node.netns, TUNNEL, Hook::Egress, "udp dport 8472");
        let direct = wire(node, Hook::Egress, DIRECT);
        let [asked, heard] = [(node, Hook::Egress), (peer, Hook::Ingress)]
            .map(|(node, hook)| wire(node, hook, DISCOVERY));
        let answered = ping(node, peer, PINGS);
        std::thread::sleep(PING);
        let found = [&carried, &entered.expect("counter"), &direct, &heard]
            .map(|counter| counter.read().expect("count").packets);
        let count = u64::from(PINGS);
        assert_eq!(
            (answered, found),
            (PINGS, [count, count, 0, 0]),
            "{}",
            node.name
        );
        assert!(asked.read().expect("count").packets > 0, "no discovery");
    }
    let [one, other] = [0, 1].map(|node| Place::from(&lab.nodes()[node].pods[0]));
    assert_delay("not set", median_us(&one, &other), 0.0);
    lab.set_relay_delay(Duration::from_millis(20)).expect("set");
    assert_delay("each way", median_us(&one, &other), 40.0);
    lab.set_relay_delay(Duration::ZERO).expect("set");
    let transfer = Bulk::new(one, other, Volume::Bytes(1_000_000));
    let report = transfer.drive(&Stop::default()).expect("transfer");
    assert_eq!(
        (report.bytes, report.client.send_mss),
        (1_000_000, 1230 - 52)
    );
    let status = lab.status();
    drop(lab);
    assert_nothing_left(&status);
}

#[test]
fn tunnel_goes_direct_while_the_endpoints_answer() {
    if !possible("relay::tunnel_goes_direct_while_the_endpoints_answer") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S5, "direct")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[0], &lab.nodes()[1]);
    assert_eq!(lab.relay().expect("a relay").mode, Mode::Derp);
    await_direct(node, peer, 0..=0, Duration::ZERO);
    lab.set_direct_udp(DirectUdp::Passes).expect("set");
    await_direct(node, peer, 5..=5, PING * 2);
    lab.set_direct_udp(DirectUdp::Dropped).expect("set");
    await_direct(node, peer, 0..=0, TRUST + PING);
    assert_eq!(ping(node, peer, 5), 5, "by the relay again");
    let direct = Lab::up(lab_options(Scenario::S1d, "norelay")).expect("lab comes up");
    let refused = direct.set_relay_delay(Duration::ZERO).expect_err("none");
    assert!(
        refused.to_string().contains("s1d has no relay"),
        "{refused}"
    );
}

#[test]
fn restarted_tunnel_connects_to_the_relay_again() {
    if !possible("relay::restarted_tunnel_connects_to_the_relay_again") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S5, "restart")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[1], &lab.nodes()[0]);
    lab.remove_device(&node.name, TUNNEL).expect("remove");
    for device in [TUNNEL, "flannel.1"] {
        lab.restore_device(&node.name, device).expect("restore");
    }
    let begun = Instant::now();
    while ping(peer, node, 1) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(3), "no new session");
    }
    assert_eq!((ping(peer, node, 5), ping(node, peer, 5)), (5, 5));
}

/// Waits until so many of five pings leave as direct datagrams, this long and a little.
fn await_direct(
    node: &Node,
    peer: &Node,
    wanted: std::ops::RangeInclusive<u64>,
    patience: Duration,
) {
    let begun = Instant::now();
    loop {
        let direct = wire(node, Hook::Egress, DIRECT);
        let answered = ping(node, peer, 5);
        let found = direct.read().expect("count").packets;
        if answered == 5 && wanted.contains(&found) {
            return;
        }
        let waited = begun.elapsed();
        let limit = patience + Duration::from_secs(2);
        assert!(waited < limit, "{found} direct, {answered} answered");
    }
}

/// The kernel's look-up for the tunnel's own packets leads to the relay by the router.
fn assert_road(relay: &Relay, node: &Node) {
    let question = Question {
        mark: Some(0x8_0000),
        ..Question::default()
    };
    let found = route::get(&node.netns, *relay.listen.ip(), question).expect("route");
    let wanted = node.devices[0].default_route.map(|(router, _)| router);
    assert_eq!(found.dev.as_deref(), Some("eth0"));
    assert_eq!(found.gateway, wanted.map(|router| router.to_string()));
}

fn both_ways(lab: &Lab) -> [(&Node, &Node); 2] {
    let [one, other] = [0, 1].map(|node| &lab.nodes()[node]);
    [(one, other), (other, one)]
}

fn wire(node: &Node, hook: Hook, expression: &str) -> Counter {
    Counter::install(&node.netns, "eth0", hook, expression).expect("counter")
}

/// How many of some pings between the first pods of two nodes are answered.
fn ping(from: &Node, to: &Node, count: u32) -> u32 {
    let ping = Ping {
        patience: Duration::from_millis(300),
        ..Ping::new(Place::from(&from.pods[0]), to.pods[0].address, count)
    };
    ping.drive(&Stop::default()).expect("ping").received
}
