//! Pods of both address families, each with its own road: classes, stacks, MTUs, findings and packets at
//! every point of each family, none of them mixed with the other's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use xtask::lab::topology::{BRIDGE, Family, Reach, TUNNEL};
use xtask::lab::{Lab, Node, Scenario};
use xtask::oracle::{Counter, Hook, Packets};
use xtask::traffic::{Ping, PingPong, Place, Stop, Until};

use super::agent::Agent;
use super::bench::{agents, agents_on, lab, options, turn, with_load};
use super::output::{Mtu, PathLine, Sweep};
use super::paths::{assert_finding, assert_no_finding, await_right, pairs, pairs_lab};

/// Echo requests, and exchanges over TCP.
const PINGS: u32 = 20;
const EXCHANGES: u64 = 30;

#[test]
fn h2v6_has_every_pair_of_both_families_right_and_is_healthy() {
    let test = "dual_stack::h2v6_has_every_pair_of_both_families_right_and_is_healthy";
    let Some(_turn) = turn(test) else { return };
    let lab = pairs_lab(Scenario::H2v6);
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || await_right(&lab, &agents));
    for (agent, node) in agents.iter().zip(lab.nodes()) {
        assert_mtus(
            &agent.next_sweep(),
            node,
            [(1_450, "lima0"), (1_430, "lima0")],
        );
        assert_no_finding(agent);
    }
}

#[test]
fn s1v6_is_found_for_the_overlay_of_each_family() {
    let test = "dual_stack::s1v6_is_found_for_the_overlay_of_each_family";
    let Some(_turn) = turn(test) else { return };
    let lab = pairs_lab(Scenario::S1v6);
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        for (agent, node) in agents.iter().zip(lab.nodes()) {
            let what = "one finding per peer and family";
            let sweep = agent.await_sweep(what, |sweep| sweep.findings.len() == 4);
            let is_six = |name: &String| name.parse().is_ok_and(|name: IpAddr| name.is_ipv6());
            let (six, four): (Vec<_>, Vec<_>) = sweep
                .findings
                .iter()
                .cloned()
                .partition(|finding| finding.subject.nodes.iter().any(is_six));
            assert_finding(&lab, node, &four, Family::Four);
            assert_finding(&lab, node, &six, Family::Six);
            assert_mtus(&sweep, node, [(1_370, TUNNEL), (1_350, TUNNEL)]);
        }
    });
}

#[test]
fn s6_goes_in_plain_through_the_tunnel() {
    let Some(_turn) = turn("dual_stack::s6_goes_in_plain_through_the_tunnel") else {
        return;
    };
    let lab = pairs_lab(Scenario::S6);
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || await_right(&lab, &agents));
}

#[test]
fn s6v6_goes_in_plain_through_the_tunnel_with_both_families() {
    let test = "dual_stack::s6v6_goes_in_plain_through_the_tunnel_with_both_families";
    let Some(_turn) = turn(test) else { return };
    let lab = pairs_lab(Scenario::S6v6);
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || await_right(&lab, &agents));
    for (agent, node) in agents.iter().zip(lab.nodes()) {
        assert_mtus(&agent.next_sweep(), node, [(1_280, TUNNEL); 2]);
    }
}

#[test]
fn packets_of_h2v6_are_those_of_nftables_at_every_point() {
    check_packets(
        "dual_stack::packets_of_h2v6_are_those_of_nftables_at_every_point",
        Scenario::H2v6,
    );
}

#[test]
fn packets_of_s1v6_are_those_of_nftables_at_every_point() {
    check_packets(
        "dual_stack::packets_of_s1v6_are_those_of_nftables_at_every_point",
        Scenario::S1v6,
    );
}

#[test]
fn packets_of_s6v6_are_those_of_nftables_at_every_point() {
    check_packets(
        "dual_stack::packets_of_s6v6_are_those_of_nftables_at_every_point",
        Scenario::S6v6,
    );
}

/// Effective MTU and bottleneck of all paths of a node to other nodes, by family.
fn assert_mtus(sweep: &Sweep, node: &Node, wanted: [(u32, &str); 2]) {
    let paths = sweep.paths.iter().filter(|path| is_between_nodes(path));
    let mut seen = [0; 2];
    for path in paths {
        let source = path.source.address.expect("an address");
        let (effective, bottleneck) = wanted[usize::from(source.is_ipv6())];
        let wanted = Mtu {
            effective,
            bottleneck: bottleneck.to_owned(),
        };
        assert_eq!(path.mtu.as_ref(), Some(&wanted), "{}: {path:?}", node.name);
        seen[usize::from(source.is_ipv6())] += 1;
    }
    assert_eq!(seen, [16; 2], "two pods, to four and back");
}

/// One end is this node's.
fn is_between_nodes(path: &PathLine) -> bool {
    path.source.address.is_some() && path.source.node.is_some() != path.destination.node.is_some()
}

/// Two pods, each with the node it is on.
type Ends<'a> = [(&'a Node, IpAddr); 2];

fn check_packets(test: &str, scenario: Scenario) {
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(scenario, "points"));
    let mut nodes: Vec<_> = lab.nodes().iter().collect();
    fastrand::shuffle(&mut nodes);
    nodes.truncate(2);
    let agents = agents_on(nodes.iter().copied(), &[]);
    for family in Family::ALL {
        let places = [0, 1].map(|own: usize| {
            Place::of(&nodes[own].pods[0], family).expect("an address of the family")
        });
        let ends = [0, 1].map(|own: usize| (nodes[own], places[own].address));
        // The pair has its path before anything is counted.
        exchange(&places);
        let known = |sweep: &Sweep| sweep.path(ends[0].1, ends[1].1).is_some();
        for agent in &agents {
            agent.await_sweep("the pair", |sweep| known(sweep));
        }
        let before = counted(&agents, ends);
        let counters = [ends, [ends[1], ends[0]]].map(|ends| install(&lab, ends, family));
        exchange(&places);
        let after = counted(&agents, ends);
        for (way, counters) in counters.iter().enumerate() {
            for ((side, point), counter) in counters {
                let packets = counter.read().expect("count").packets;
                let key = (way, *side, (*point).to_owned());
                let of = |counts: &Counts| counts.get(&key).copied().unwrap_or(0);
                assert_eq!(of(&after) - of(&before), packets, "{family:?}: {key:?}");
                assert!(
                    packets >= EXCHANGES + u64::from(PINGS),
                    "{key:?}: {packets}"
                );
            }
            let points = after.keys().filter(|key| key.0 == way).count();
            assert_eq!(points, counters.len(), "{family:?}: {after:?}");
        }
    }
    for agent in agents {
        let ended = agent.end();
        assert!(ended.status.success(), "{}", ended.errors);
    }
}

/// Echo requests one way, and TCP.
fn exchange([one, other]: &[Place; 2]) {
    let ping = Ping::new(one.clone(), other.address, PINGS);
    assert_eq!(ping.drive(&Stop::default()).expect("ping").received, PINGS);
    let talk = PingPong::new(one.clone(), other.clone(), Until::Count(EXCHANGES));
    talk.drive(&Stop::default()).expect("exchange");
}

/// Packets by way (there, back), by side (source's agent, destination's), by point.
type Counts = BTreeMap<(usize, usize, String), u64>;

/// What the agents say once nothing is on its way any more.
fn counted(agents: &[Agent], [one, other]: Ends<'_>) -> Counts {
    let mut counts = Counts::new();
    for (number, agent) in agents.iter().enumerate() {
        let sweep = agent.next_sweep();
        for (way, [from, to]) in [[one.1, other.1], [other.1, one.1]].into_iter().enumerate() {
            let path = sweep.path(from, to).expect("the pair");
            let side = usize::from(number != way);
            for (point, counted) in &path.points {
                counts.insert((way, side, point.clone()), counted.packets);
            }
        }
    }
    counts
}

/// Counters at every point of one way: at the source's node, and at the destination's.
fn install(
    lab: &Lab,
    [from, to]: Ends<'_>,
    family: Family,
) -> Vec<((usize, &'static str), Counter)> {
    let inner = between(from.1, to.1);
    let road = from.0.road(&to.0.name).expect("a road");
    let vtep = |node: &Node| match family {
        Family::Four => node.vtep.into(),
        Family::Six => node.six.as_ref().expect("dual stack").vtep.into(),
    };
    let outer = between(vtep(from.0), vtep(to.0)).to_udp_port(8472);
    let mut points = Vec::new();
    for (side, node) in [from.0, to.0].into_iter().enumerate() {
        let pods = lab.node(&node.name).expect("node").pods.iter();
        let [pod] = pods.collect::<Vec<_>>()[..] else {
            panic!("one pod")
        };
        let [into, out] = if side == 0 {
            [Hook::Ingress, Hook::Egress]
        } else {
            [Hook::Egress, Hook::Ingress]
        };
        let mut count = |point, device: &str, hook, packets: &Packets| {
            let counter = Counter::install(&node.netns, device, hook, packets);
            points.push(((side, point), counter.expect("counter")));
        };
        count("pod", &pod.host_veth, into, &inner);
        count("bridge", BRIDGE, into, &inner);
        match (to.0.reach, road.vtep_device.as_str()) {
            (Reach::SubnetRoute, _) => count("tunnel", TUNNEL, out, &inner),
            (Reach::Overlay, device) => {
                count("overlay", family.overlay(), out, &inner);
                let point = if device == TUNNEL {
                    "tunnel"
                } else {
                    "underlay"
                };
                count(point, device, out, &outer);
            }
        }
    }
    points
}

/// Packets from one address to another.
fn between(from: IpAddr, to: IpAddr) -> Packets {
    let protocol = if from.is_ipv4() { "ip" } else { "ip6" };
    Packets::all()
        .and(format_args!("{protocol} saddr {from}"))
        .and(format_args!("{protocol} daddr {to}"))
}
