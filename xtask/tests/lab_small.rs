//! The small lab against the kernel: every scenario comes up, its traffic goes where the topology
//! says, and nothing stays behind. Needs root and `/dev/net/tun`.

#[path = "lab_small/bench.rs"]
mod bench;
#[path = "lab_small/devices.rs"]
mod devices;
#[path = "lab_small/dual_stack.rs"]
mod dual_stack;
#[path = "lab_small/life.rs"]
mod life;
#[path = "lab_small/oracles.rs"]
mod oracles;
#[path = "lab_small/probe.rs"]
mod probe;
#[path = "lab_small/relay.rs"]
mod relay;
#[path = "lab_small/same_node.rs"]
mod same_node;
#[path = "lab_small/services.rs"]
mod services;
#[path = "lab_small/stale.rs"]
mod stale;
#[path = "lab_small/steering.rs"]
mod steering;
#[path = "lab_small/tcp_delay.rs"]
mod tcp_delay;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bench::{assert_nothing_left, lab_options, possible};
use xtask::lab::topology::{Family, Reach, Road, TUNNEL};
use xtask::lab::{Lab, Node, Pod, Scenario};
use xtask::oracle::{Counter, Counters, Hook, Question, route};
use xtask::traffic::{Load, Ping, PingPong, Place, Report, Stop, Until, drive_all};

const VXLAN_PACKET: &str = "udp dport 8472";
/// How long an echo may take that may also come back as too big.
const PATIENCE: Duration = Duration::from_millis(150);
const TUNNEL_PACKET: &str = "udp dport 41641 meta mark & 0xff0000 == 0x80000";

#[test]
fn h2_goes_by_vxlan_on_the_vmnet() {
    check("h2_goes_by_vxlan_on_the_vmnet", Scenario::H2);
}

#[test]
fn s1_goes_by_vxlan_inside_the_tunnel_and_never_clear_on_the_lan() {
    check(
        "s1_goes_by_vxlan_inside_the_tunnel_and_never_clear_on_the_lan",
        Scenario::S1,
    );
}

#[test]
fn s1d_goes_by_vxlan_inside_the_tunnel_through_the_router() {
    check(
        "s1d_goes_by_vxlan_inside_the_tunnel_through_the_router",
        Scenario::S1d,
    );
}

#[test]
fn h2v6_goes_by_an_overlay_per_family() {
    check("h2v6_goes_by_an_overlay_per_family", Scenario::H2v6);
}

#[test]
fn s1v6_goes_by_both_overlays_inside_a_tunnel_over_ipv6() {
    check(
        "s1v6_goes_by_both_overlays_inside_a_tunnel_over_ipv6",
        Scenario::S1v6,
    );
}

#[test]
fn s6_goes_by_the_tunnel_although_flannel_has_its_routes() {
    check(
        "s6_goes_by_the_tunnel_although_flannel_has_its_routes",
        Scenario::S6,
    );
}

#[test]
fn s6v6_goes_by_the_tunnel_with_both_families() {
    check("s6v6_goes_by_the_tunnel_with_both_families", Scenario::S6v6);
}

#[test]
fn mixed_goes_by_all_its_paths() {
    check("mixed_goes_by_all_its_paths", Scenario::Mixed);
}

/// Brings a scenario up with a random seed and compares the kernel with the topology.
fn check(test: &str, scenario: Scenario) {
    if !possible(test) {
        return;
    }
    let lab = Lab::up(xtask::lab::Options {
        pods_per_node: 2,
        ..lab_options(scenario, "talk")
    })
    .expect("lab comes up");
    eprintln!("{}", lab.status());
    let before = fragments(&lab);
    for node in lab.nodes() {
        for road in &node.roads {
            for &family in lab.topology().families() {
                assert_routes(&lab, node, road, family);
                assert_devices(&lab, node, road, family);
            }
        }
    }
    assert_all_talk(&lab);
    assert_full_packets_pass(&lab);
    assert_eq!(fragments(&lab), before, "a healthy MTU ladder cuts nothing");
    let status = lab.status();
    drop(lab);
    assert_nothing_left(&status);
}

/// The first device of the road after the pods' bridge.
fn first_device(peer: &Node, family: Family) -> &'static str {
    match peer.reach {
        Reach::Overlay => family.overlay(),
        Reach::SubnetRoute => TUNNEL,
    }
}

fn address(pod: &Pod, family: Family) -> IpAddr {
    pod.address_of(family).expect("an address of the family")
}

/// The kernel's own lookups name the devices of the road.
fn assert_routes(lab: &Lab, node: &Node, road: &Road, family: Family) {
    let peer = lab.node(&road.to).expect("peer");
    let device = |to: IpAddr, question| {
        route::get(&node.netns, to, question)
            .expect("route")
            .dev
            .expect("device")
    };
    let forwarded = Question {
        from: Some(address(&node.pods[0], family)),
        iif: Some("cni0"),
        mark: None,
    };
    let first = device(address(&peer.pods[0], family), forwarded);
    assert_eq!(first, first_device(peer, family));
    let vtep = match family {
        Family::Four => road.vtep.into(),
        Family::Six => road.vtep_six.expect("a VTEP of IPv6").into(),
    };
    assert_eq!(device(vtep, Question::default()), road.vtep_device);
    let marked = Question {
        mark: Some(0x8_0000),
        ..Question::default()
    };
    let endpoint = route::get(&node.netns, road.endpoint.ip(), marked).expect("route");
    assert_eq!(endpoint.dev.as_ref(), Some(&road.endpoint_device));
    assert_eq!(
        endpoint.gateway.is_none(),
        road.endpoint_on_link,
        "{endpoint:?}"
    );
    let tunnel = route::get(&node.netns, peer.tailnet.address, Question::default());
    assert_eq!(tunnel.expect("route").table.as_deref(), Some("52"));
}

/// Pings of one pod pair show up at the devices of the road and nowhere else.
fn assert_devices(lab: &Lab, node: &Node, road: &Road, family: Family) {
    const PINGS: u64 = 7;
    let peer = lab.node(&road.to).expect("peer");
    let (from, to) = (&node.pods[0], &peer.pods[0]);
    let inner = match address(to, family) {
        IpAddr::V4(to) => format!("ip daddr {to} icmp type echo-request"),
        IpAddr::V6(to) => format!("ip6 daddr {to} icmpv6 type echo-request"),
    };
    let mut counters = BTreeMap::new();
    let mut count = |device: &str, expression: &str| {
        let counter = Counter::install(&node.netns, device, Hook::Egress, expression);
        counters.insert(
            (device.to_owned(), expression.to_owned()),
            counter.expect("counter"),
        );
    };
    count(first_device(peer, family), &inner);
    for device in node
        .devices
        .iter()
        .map(|own| own.name.as_str())
        .chain([TUNNEL])
    {
        count(device, VXLAN_PACKET);
        count(device, TUNNEL_PACKET);
    }
    let place = Place::of(from, family).expect("a place");
    let ping = Ping::new(place, address(to, family), 7)
        .drive(&Stop::default())
        .expect("ping");
    assert_eq!(
        (ping.sent, ping.received),
        (7, 7),
        "{} to {}",
        from.name,
        to.name
    );
    let is_overlay = peer.reach == Reach::Overlay;
    let tunnelled = road.vtep_device == TUNNEL || !is_overlay;
    for ((device, expression), counter) in counters {
        let on_road = match expression.as_str() {
            VXLAN_PACKET => is_overlay && device == road.vtep_device,
            TUNNEL_PACKET => tunnelled && device == road.endpoint_device,
            _ => true,
        };
        let found = counter.read().expect("count").packets;
        // The tunnel's own handshakes and keepalives come on top of the packets it carries.
        let overhead = if expression == TUNNEL_PACKET { 3 } else { 0 };
        let wanted = if on_road {
            PINGS..=PINGS + overhead
        } else {
            0..=overhead
        };
        assert!(
            wanted.contains(&found),
            "{device} `{expression}`: {found}, not {wanted:?}"
        );
    }
}

/// TCP and ping between all pods at the same time.
fn assert_all_talk(lab: &Lab) {
    let loads: Vec<Load> = lab
        .expected()
        .iter()
        .map(|path| {
            let [from, to] = [&path.from, &path.to].map(|name| {
                let pod = lab.pod(name).expect("pod");
                Place::of(pod, path.family).expect("an address")
            });
            Load::PingPong(PingPong::new(from, to, Until::Count(10)))
        })
        .collect();
    let families = lab.topology().families();
    assert_eq!(loads.len(), 30 * families.len(), "six pods");
    for report in drive_all(&loads, &Stop::default()) {
        let Report::PingPong(report) = report.expect("exchange") else {
            panic!("other report")
        };
        assert_eq!((report.exchanges, report.client.rtt.count), (10, 10));
    }
}

/// The longest packet that may not be cut passes everywhere, one byte more nowhere. Where the pod's own
/// device has more room than its road, one comes back as too big, and the next is refused.
fn assert_full_packets_pass(lab: &Lab) {
    for path in lab.expected() {
        let [from, to] = [&path.from, &path.to].map(|name| lab.pod(name).expect("pod"));
        let is_told = path.mtu < lab.nodes()[0].pod_mtu;
        let [full, beyond] = [(0, 1), (1, 1 + u32::from(is_told))].map(|(more, count)| {
            let from = Place::of(from, path.family).expect("a place");
            let ping = Ping::new(from, address(to, path.family), count);
            let ping = Ping {
                patience: PATIENCE,
                ..ping.with_full_packet(path.mtu + more)
            };
            ping.drive(&Stop::default()).expect("ping")
        });
        assert_eq!((full.received, full.refused), (1, 0), "{path:?}");
        let found = (beyond.sent, beyond.received, beyond.refused);
        assert_eq!(found, (u32::from(is_told), 0, 1), "{path:?}");
    }
}

/// Packets cut or put together again, per node.
fn fragments(lab: &Lab) -> Vec<[i64; 4]> {
    let count = |node: &Node| {
        let counters = Counters::read(&node.netns).expect("counters");
        let names = [
            "IpFragCreates",
            "IpReasmReqds",
            "Ip6FragCreates",
            "Ip6ReasmReqds",
        ];
        names.map(|name| counters.get(name))
    };
    lab.nodes().iter().map(count).collect()
}
