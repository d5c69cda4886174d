//! What another node tells a pod: counted at the pod's port, on the path of what was too long, and found
//! for that node though no drop is to be seen here.

use xtask::lab::BridgeNetfilter;
use xtask::lab::topology::BRIDGE;
use xtask::oracle::{Counter, Hook};

use super::super::bench::turn;
use super::super::output::{Announced, Finding, Oversize, Span, Sweep};
use super::WHOLE;
use super::stand::{FORMER, Stand, drops, ends, send, trace};

#[test]
fn what_a_router_announces_to_a_pod_counts_as_the_pods_port_does() {
    let test = "oversize::told::what_a_router_announces_to_a_pod_counts_as_the_pods_port_does";
    let Some(_turn) = turn(test) else { return };
    let stand = Stand::up("told", BridgeNetfilter::Off);
    let [near, stale] = &stand.pods;
    let namespace = &stand.lab.nodes()[0].netns;
    let too_big = "icmp type destination-unreachable icmp code frag-needed";
    let told = Counter::install(namespace, &near.host_veth, Hook::Egress, too_big.to_owned());
    let told = told.expect("counter");
    assert_eq!(send([near, stale], 7), (7, 7));
    let quiet = stand.agents[0].next_sweep();
    assert!(announced(&quiet).is_empty(), "healthy: {quiet:#?}");

    stand.mtu(BRIDGE, FORMER);
    let (sent, received) = send([near, stale], 11);
    assert!(sent > 1 && received == 0);
    stand.mtu(BRIDGE, WHOLE);
    let counted = told.read().expect("count").packets;
    assert_eq!(counted, u64::from(sent));
    let sweep = stand.agents[0].await_sweep("the errors", |sweep| {
        let packets = announced(sweep).into_iter().map(|(_, told)| told.packets);
        packets.sum::<u64>() >= counted
    });
    let ends = [near, stale].map(|pod| pod.address.to_string());
    let found = announced(&sweep);
    let [(path, told)] = found.as_slice() else {
        panic!("one path, one router, one MTU: {found:#?}");
    };
    assert_eq!(path, &ends);
    assert_eq!(told.kind, "icmp_too_big");
    assert_eq!((told.mtu, told.number), (Some(FORMER), FORMER));
    assert_eq!(told.packets, counted);
    println!("netpath-fact: MTU announced to a pod = {FORMER}, in {counted} errors");
    let finding = stale_mtu(&sweep).expect("the other node's kernel has said so");
    let vtep = stand.node().vtep.to_string();
    let near_node = stand.lab.nodes()[0].name.clone();
    assert_eq!(finding.subject.nodes, [near_node, vtep]);
    assert_eq!(finding.fix.id, "cni0-mtu");
    assert_eq!(finding.evidence[0].id, "announced_mtu");
    let said = format!(
        "MTU {FORMER} was announced by {} to the sender of {} > {} ({counted} ICMP errors)",
        stand.node().pod_network,
        ends[0],
        ends[1]
    );
    assert_eq!(finding.evidence[0].text, said);
    assert!(announced(&stand.agents[1].next_sweep()).is_empty());
    assert_eq!(drops(&stand.agents[0].next_sweep()), 0, "no second drop");

    trace([near, stale]);
    let Stand { lab, agents, .. } = stand;
    let spans = agents.into_iter().next().expect("an agent").end().spans;
    let says = |span: &&Span| {
        let of = |name: &str| span.attributes.get(name);
        of("netpath.oversize.proof").is_some_and(|proof| proof == "icmp_too_big")
            && of("netpath.oversize.mtu").is_some_and(|mtu| *mtu == FORMER)
            && of("netpath.finding").is_some_and(|cause| cause == "stale_mtu")
    };
    assert!(spans.iter().any(|span| says(&span)), "{spans:#?}");
    drop(lab);
}

/// The finding of this cause.
pub(super) fn stale_mtu(sweep: &Sweep) -> Option<&Finding> {
    let mut found = sweep.findings.iter();
    found.find(|finding| finding.cause == "stale_mtu")
}

/// Addresses of a path and what its sender was told.
pub(super) fn announced(sweep: &Sweep) -> Vec<([String; 2], Announced)> {
    let present = sweep.paths.iter().filter(|path| path.present);
    let told = present.flat_map(|path| {
        let told = path.oversize.iter().flat_map(Oversize::announced);
        told.map(move |told| (ends(path), told.clone()))
    });
    told.collect()
}
