//! Fragments that a pod makes count once for its path, on both nodes, whatever `br_netfilter` joins and
//! cuts again on the bridge; those of IPv6 too, which nobody but a packet's sender cuts.

use std::net::IpAddr;
use std::time::Duration;

use xtask::lab::topology::Family;
use xtask::lab::{BridgeNetfilter, Options, Pod, Scenario};
use xtask::oracle::Counters;
use xtask::traffic::{Ping, Place, Stop};

use super::bench::{agents_on, lab, options, silence, turn};
use super::output::Sweep;

const REQUESTS: u32 = 20;
/// Three fragments of a device with 1,450 bytes.
const LONG: usize = 3_000;

#[test]
fn fragments_of_a_pod_count_once_with_bridge_netfilter() {
    let test = "fragments::fragments_of_a_pod_count_once_with_bridge_netfilter";
    check(test, BridgeNetfilter::On, Family::Four);
}

#[test]
fn fragments_of_a_pod_count_once_without_bridge_netfilter() {
    let test = "fragments::fragments_of_a_pod_count_once_without_bridge_netfilter";
    check(test, BridgeNetfilter::Off, Family::Four);
}

#[test]
fn ipv6_fragments_of_a_pod_count_once_with_bridge_netfilter() {
    let test = "fragments::ipv6_fragments_of_a_pod_count_once_with_bridge_netfilter";
    check(test, BridgeNetfilter::On, Family::Six);
}

#[test]
fn ipv6_fragments_of_a_pod_count_once_without_bridge_netfilter() {
    let test = "fragments::ipv6_fragments_of_a_pod_count_once_without_bridge_netfilter";
    check(test, BridgeNetfilter::Off, Family::Six);
}

fn check(test: &str, bridge_netfilter: BridgeNetfilter, family: Family) {
    let Some(_turn) = turn(test) else { return };
    let purpose = format!("frag{}", bridge_netfilter.value());
    let scenario = match family {
        Family::Four => Scenario::H2,
        Family::Six => Scenario::H2v6,
    };
    let lab = lab(Options {
        bridge_netfilter,
        ..options(scenario, &purpose)
    });
    if family == Family::Four {
        silence(&lab);
    }
    let nodes = &lab.nodes()[..2];
    let pods = [0, 1].map(|node: usize| &nodes[node].pods[0]);
    let ends = pods.map(|pod| Place::of(pod, family).expect("an address"));
    let addresses = ends.each_ref().map(|end| end.address);
    let agents = agents_on(nodes.iter(), &[]);
    // The pair has its path before anything is counted.
    ping(&ends, 56);
    if family == Family::Six {
        learn(&ends);
    }
    for agent in &agents {
        agent.await_sweep("the pair in both directions", |sweep| {
            fragments(sweep, addresses).is_some()
        });
    }
    let settled: Vec<_> = agents
        .iter()
        .map(|agent| fragments(&agent.next_sweep(), addresses).expect("a path"))
        .collect();
    let packets_before = agents[0].next_sweep();
    let packets_before = packets(&packets_before, addresses);
    let before = pods.map(|pod| made(pod, family));
    ping(&ends, LONG);
    let wanted = [0, 1].map(|pod: usize| made(pods[pod], family) - before[pod]);
    assert_eq!(
        wanted,
        [i64::from(3 * REQUESTS); 2],
        "as the pods' kernels say"
    );
    for (agent, settled) in agents.iter().zip(settled) {
        agent.await_sweep("all requests", |sweep| {
            packets(sweep, addresses) > packets_before + LONG_PACKETS
        });
        let sweep = agent.next_sweep();
        let found = fragments(&sweep, addresses).expect("a path");
        let found = [0, 1].map(|end: usize| found[end] - settled[end]);
        assert_eq!(found, wanted, "{}", agent.node());
    }
    for agent in agents {
        agent.end();
    }
}

/// More than a part of the fragments, fewer than all.
const LONG_PACKETS: u64 = 2 * REQUESTS as u64;

fn ping([from, to]: &[Place; 2], payload: usize) {
    let ping = Ping {
        payload,
        ..Ping::new(from.clone(), to.address, REQUESTS)
    };
    let report = ping.drive(&Stop::default()).expect("echo requests");
    assert_eq!(report.received, REQUESTS);
}

/// Long requests until one is answered: both pods are told what their overlay takes, and what was cut for
/// their own device is lost.
fn learn([from, to]: &[Place; 2]) {
    for (from, to) in [(from, to), (to, from)] {
        let ping = Ping {
            payload: LONG,
            patience: Duration::from_millis(200),
            ..Ping::new(from.clone(), to.address, 4)
        };
        let report = ping.drive(&Stop::default()).expect("echo requests");
        assert!(report.received > 0, "{report:?}");
    }
}

/// Fragments that a pod's kernel has made.
fn made(pod: &Pod, family: Family) -> i64 {
    let counters = Counters::read(&pod.netns).expect("counters");
    counters.get(match family {
        Family::Four => "IpFragCreates",
        Family::Six => "Ip6FragCreates",
    })
}

/// Inner fragments of both directions.
fn fragments(sweep: &Sweep, [one, other]: [IpAddr; 2]) -> Option<[i64; 2]> {
    let of = |from, to| {
        let path = sweep.path(from, to)?;
        i64::try_from(path.fragments.inner).ok()
    };
    Some([of(one, other)?, of(other, one)?])
}

fn packets(sweep: &Sweep, [from, to]: [IpAddr; 2]) -> u64 {
    let path = sweep.path(from, to);
    path.map_or(0, |path| path.packets)
}
