//! Fragments that a pod makes count once for its path, on both nodes, whatever `br_netfilter` joins and
//! cuts again on the bridge.

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
    check(test, BridgeNetfilter::On);
}

#[test]
fn fragments_of_a_pod_count_once_without_bridge_netfilter() {
    let test = "fragments::fragments_of_a_pod_count_once_without_bridge_netfilter";
    check(test, BridgeNetfilter::Off);
}

fn check(test: &str, bridge_netfilter: BridgeNetfilter) {
    let Some(_turn) = turn(test) else { return };
    let purpose = format!("frag{}", bridge_netfilter.value());
    let lab = lab(Options {
        bridge_netfilter,
        ..options(Scenario::H2, &purpose)
    });
    silence(&lab);
    let nodes = &lab.nodes()[..2];
    let pods = [0, 1].map(|node: usize| &nodes[node].pods[0]);
    let agents = agents_on(nodes.iter(), &[]);
    // The pair has its path before anything is counted.
    ping(pods, 56);
    for agent in &agents {
        agent.await_sweep("the pair in both directions", |sweep| {
            fragments(sweep, pods).is_some()
        });
    }
    let before = pods.map(made);
    ping(pods, LONG);
    let wanted = [0, 1].map(|pod: usize| made(pods[pod]) - before[pod]);
    assert_eq!(
        wanted,
        [i64::from(3 * REQUESTS); 2],
        "as the pods' kernels say"
    );
    for agent in &agents {
        agent.await_sweep("all requests", |sweep| packets(sweep, pods) > LONG_PACKETS);
        let sweep = agent.next_sweep();
        let found = fragments(&sweep, pods);
        assert_eq!(found, Some(wanted), "{}", agent.node());
    }
    for agent in agents {
        agent.end();
    }
}

/// More than the first requests, fewer than all.
const LONG_PACKETS: u64 = 2 * REQUESTS as u64;

fn ping([from, to]: [&Pod; 2], payload: usize) {
    let ping = Ping {
        payload,
        ..Ping::new(Place::from(from), to.address, REQUESTS)
    };
    let report = ping.drive(&Stop::default()).expect("echo requests");
    assert_eq!(report.received, REQUESTS);
}

/// Fragments that a pod's kernel has made.
fn made(pod: &Pod) -> i64 {
    let counters = Counters::read(&pod.netns).expect("counters");
    counters.get("IpFragCreates")
}

/// Inner fragments of both directions.
fn fragments(sweep: &Sweep, [one, other]: [&Pod; 2]) -> Option<[i64; 2]> {
    let of = |from: &Pod, to: &Pod| {
        let path = sweep.path(from.address, to.address)?;
        i64::try_from(path.fragments.inner).ok()
    };
    Some([of(one, other)?, of(other, one)?])
}

fn packets(sweep: &Sweep, [from, to]: [&Pod; 2]) -> u64 {
    let path = sweep.path(from.address, to.address);
    path.map_or(0, |path| path.packets)
}
