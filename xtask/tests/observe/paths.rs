//! Every ordered pair of pods is named right, in one and the same sweep, and findings come where
//! they belong and nowhere else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use xtask::lab::topology::{Family, Role, TUNNEL};
use xtask::lab::{Lab, Node, Options, Scenario};
use xtask::oracle::{Counter, Hook};
use xtask::traffic::{Load, PingPong, Place, Until};

use super::agent::Agent;
use super::bench::{agents, lab, options, silence, turn, with_load};
use super::output::{Finding, Sweep};

/// Longer than any test waits; loads are told to stop.
const LONG: Until = Until::Elapsed(Duration::from_mins(2));
/// Pause between two exchanges of one pair: many pairs share two processors.
const THINK: Duration = Duration::from_millis(20);

#[test]
fn mixed_node_has_every_pair_right_in_one_sweep_and_host_traffic_apart() {
    let test = "paths::mixed_node_has_every_pair_right_in_one_sweep_and_host_traffic_apart";
    let Some(_turn) = turn(test) else { return };
    let lab = pairs_lab(Scenario::Mixed);
    silence(&lab);
    let agents = agents(&lab, &[]);
    let [mixed, near] = [Role::Mixed, Role::Near].map(|role| {
        let found = lab.nodes().iter().find(|node| node.role == role);
        found.expect("role")
    });
    let count = |node: &Node, hook| Counter::install(&node.netns, TUNNEL, hook, HOST).expect("nft");
    let counters = [mixed, near].map(|node| [Hook::Ingress, Hook::Egress].map(|h| count(node, h)));
    with_load(&[between_nodes(mixed, near)], || {
        with_load(&pairs(&lab), || await_right(&lab, &agents));
        // Pods are silent, and the neighbour's endpoint alone is busy: the far one still forbids
        // the fix.
        for agent in &agents {
            agent.next_sweep();
            agent.next_sweep();
        }
    });
    for agent in agents {
        let name = agent.node().to_owned();
        let ended = agent.end();
        for sweep in &ended.sweeps {
            assert!(sweep.findings.is_empty(), "{name}: {:?}", sweep.findings);
        }
        let side = [mixed, near].iter().position(|node| node.name == name);
        let Some(side) = side else { continue };
        let packets = counters[side]
            .each_ref()
            .map(|counter| counter.read().expect("nft").packets);
        assert!(
            packets.iter().all(|&count| count > 20),
            "{name}: {packets:?}"
        );
        let last = ended.last();
        assert_eq!(
            last.collected("host"),
            packets.iter().sum::<u64>(),
            "{name}"
        );
    }
}

#[test]
fn h2_is_healthy_also_with_a_busy_tunnel() {
    let Some(_turn) = turn("paths::h2_is_healthy_also_with_a_busy_tunnel") else {
        return;
    };
    let lab = pairs_lab(Scenario::H2);
    let agents = agents(&lab, &[]);
    let mut loads = pairs(&lab);
    let [one, two, three] = [0, 1, 2].map(|node| &lab.nodes()[node]);
    loads.extend([
        between_nodes(one, two),
        between_nodes(two, three),
        between_nodes(three, one),
    ]);
    with_load(&loads, || await_right(&lab, &agents));
    for agent in &agents {
        assert!(
            agent.next_sweep().collected("host") > 0,
            "tunnel was not busy"
        );
        assert_no_finding(agent);
    }
}

#[test]
fn s1_is_found_on_every_node_with_its_fix() {
    let Some(_turn) = turn("paths::s1_is_found_on_every_node_with_its_fix") else {
        return;
    };
    let lab = pairs_lab(Scenario::S1);
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        for (agent, node) in agents.iter().zip(lab.nodes()) {
            let what = "one finding per peer";
            let sweep = agent.await_sweep(what, |sweep| sweep.findings.len() == 2);
            assert_finding(&lab, node, &sweep.findings, Family::Four);
        }
    });
}

#[test]
fn s1d_is_no_finding_because_peers_are_behind_a_router() {
    let test = "paths::s1d_is_no_finding_because_peers_are_behind_a_router";
    let Some(_turn) = turn(test) else { return };
    let lab = pairs_lab(Scenario::S1d);
    let agents = agents(&lab, &[]);
    with_load(&pairs(&lab), || {
        await_right(&lab, &agents);
        // The endpoints are known a sweep after the sessions were seen.
        for agent in &agents {
            agent.next_sweep();
        }
    });
    for agent in &agents {
        assert_no_finding(agent);
    }
}

/// TCP between tailnet addresses, which no pod has.
const HOST: &str = "ip saddr 100.64.0.0/10 ip daddr 100.64.0.0/10 tcp dport != 0";

/// Two pods on each node.
pub(crate) fn pairs_lab(scenario: Scenario) -> Lab {
    lab(Options {
        pods_per_node: 2,
        ..options(scenario, "pairs")
    })
}

pub(crate) fn assert_no_finding(agent: &Agent) {
    for sweep in agent.sweeps() {
        assert!(sweep.findings.is_empty(), "{:?}", sweep.findings);
    }
}

/// Cause, fix, evidence and both nodes of each finding of a node.
pub(crate) fn assert_finding(lab: &Lab, node: &Node, findings: &[Finding], family: Family) {
    let mut peers: Vec<String> = Vec::new();
    for finding in findings {
        assert_eq!(finding.cause, "double_encapsulation");
        assert_eq!(finding.fix.id, "flannel-iface-lan");
        assert!(
            finding.fix.text.contains("flannel-iface: eth0"),
            "{finding:?}"
        );
        assert!(!finding.fix.side_effects.is_empty(), "{finding:?}");
        assert!((0.5..=1.0).contains(&finding.confidence), "{finding:?}");
        let fact = |id| finding.evidence.iter().find(|fact| fact.id == id);
        let stack = fact("stack_observed").expect("the stack is evidence");
        assert!(stack.text.contains("wireguard>vxlan"), "{finding:?}");
        let on_link = fact("endpoints_on_link").expect("the endpoints are evidence");
        for road in &node.roads {
            let endpoint = road.endpoint.ip().to_string();
            assert!(
                on_link.text.contains(&endpoint),
                "{endpoint} in {finding:?}"
            );
        }
        let [own, peer] = finding.subject.nodes.as_slice() else {
            panic!("two nodes, not {finding:?}")
        };
        assert_eq!(own, &node.name);
        peers.push(peer.clone());
    }
    let others = lab.nodes().iter().filter(|other| other.name != node.name);
    let vtep = |other: &Node| match family {
        Family::Four => other.vtep.to_string(),
        Family::Six => other.six.as_ref().expect("dual stack").vtep.to_string(),
    };
    let mut wanted: Vec<String> = others.map(vtep).collect();
    peers.sort();
    wanted.sort();
    assert_eq!(peers, wanted, "a finding names its peer by its VTEP");
}

/// TCP between all pods.
pub(crate) fn pairs(lab: &Lab) -> Vec<Load> {
    let load = |path: &xtask::lab::ExpectedPath| {
        let [from, to] = [&path.from, &path.to].map(|name| {
            let pod = lab.pod(name).expect("pod");
            Place::of(pod, path.family).expect("an address")
        });
        slow(PingPong::new(from, to, LONG))
    };
    lab.expected().iter().map(load).collect()
}

/// TCP between the tailnet addresses of two nodes.
fn between_nodes(one: &Node, other: &Node) -> Load {
    let [client, server] = [one, other].map(|node| Place::new(&node.netns, node.tailnet.address));
    slow(PingPong::new(client, server, LONG))
}

fn slow(load: PingPong) -> Load {
    Load::PingPong(PingPong {
        think: THINK,
        ..load
    })
}

/// Waits until every agent has a sweep in which all pairs of its node are right.
pub(crate) fn await_right(lab: &Lab, agents: &[Agent]) {
    for (agent, node) in agents.iter().zip(lab.nodes()) {
        let wanted = wanted(lab, node);
        let mut last = BTreeMap::new();
        let found = agent.await_sweep("all pairs right", |sweep| {
            last = named(sweep);
            if last != wanted {
                eprintln!("{}: not yet {:?}", node.name, difference(&wanted, &last));
            }
            last == wanted
        });
        for path in found
            .paths
            .iter()
            .filter(|path| path.source.address.is_some())
        {
            let ends = [&path.source, &path.destination];
            for end in ends {
                let own = node.pods.iter().any(|pod| {
                    let own = Family::ALL.map(|family| pod.address_of(family));
                    own.contains(&end.address)
                });
                assert_eq!(
                    end.node.as_deref(),
                    own.then_some(node.name.as_str()),
                    "{path:?}"
                );
            }
        }
    }
}

type Named = BTreeMap<(IpAddr, IpAddr), (String, String)>;

/// Class and stack of all pairs that a node's agent can see.
fn wanted(lab: &Lab, node: &Node) -> Named {
    let is_own = |pod: &str| node.pods.iter().any(|own| own.name == pod);
    let address = |pod: &str, family| {
        let pod = lab.pod(pod).expect("pod");
        pod.address_of(family).expect("an address")
    };
    let paths = lab.expected().into_iter();
    paths
        .filter(|path| is_own(&path.from) || is_own(&path.to))
        .map(|path| {
            let ends = [&path.from, &path.to].map(|pod| address(pod, path.family));
            (ends.into(), (path.class.to_owned(), path.encap.to_owned()))
        })
        .collect()
}

/// Class and stack of all pairs with addresses, whatever addresses they are.
fn named(sweep: &Sweep) -> Named {
    let lines = sweep.paths.iter().filter_map(|path| {
        let ends = (path.source.address?, path.destination.address?);
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Some((ends, (text(&path.class), text(&path.encap))))
    });
    lines.collect()
}

/// Pairs that are not as wanted.
fn difference<'a>(wanted: &'a Named, found: &'a Named) -> Vec<(&'a (IpAddr, IpAddr), String)> {
    let keys = wanted.keys().chain(found.keys());
    let differ = keys.filter(|key| wanted.get(key) != found.get(key));
    let mut list: Vec<_> = differ
        .map(|key| {
            (
                key,
                format!("{:?} not {:?}", found.get(key), wanted.get(key)),
            )
        })
        .collect();
    list.sort();
    list.dedup();
    list
}
