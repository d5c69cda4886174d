//! One flow between two pods through flannel.1, at both ends: what the agents' lines say of it against
//! nftables. Short, so that it can run on emulated machines too; there its facts are read.

use std::net::IpAddr;
use std::time::Duration;

use xtask::lab::topology::VXLAN;
use xtask::lab::{ExpectedPath, Scenario};
use xtask::oracle::{Counter, Hook};
use xtask::traffic::{Datagrams, Ping, Place, Stop};

use super::agent::Agent;
use super::bench::{agents_on, lab, options, turn};
use super::kernel::Holdings;

const DATAGRAMS: u32 = 300;
const DATAGRAM: usize = 200;

#[test]
fn a_flow_between_nodes_has_its_class_and_as_many_packets_as_nft_counts() {
    let test = "flow::a_flow_between_nodes_has_its_class_and_as_many_packets_as_nft_counts";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "flow"));
    let nodes = &lab.nodes()[..2];
    let [from, to] = [0, 1].map(|place| Place::from(&nodes[place].pods[0]));
    let ends = [from.address, to.address];
    let agents = agents_on(nodes.iter(), &[]);
    for agent in &agents {
        println!("netpath-fact: attached by = {}", way(agent));
        agent.await_path(ends, || {
            let report = Ping::new(from.clone(), to.address, 1).drive(&Stop::default());
            assert_eq!(report.expect("ping").received, 1);
        });
    }
    let its = format!("ip saddr {} ip daddr {}", from.address, to.address);
    let counters: Vec<_> = nodes
        .iter()
        .zip([Hook::Egress, Hook::Ingress])
        .map(|(node, hook)| Counter::install(&node.netns, VXLAN, hook, &its).expect("nft"))
        .collect();
    let before: Vec<u64> = agents.iter().map(|agent| packets(agent, ends)).collect();
    let load = Datagrams {
        gap: Duration::from_micros(500),
        ..Datagrams::new(from.clone(), to.clone(), DATAGRAMS, DATAGRAM)
    };
    // A receiver that gets too little of the processor loses some, behind the last device.
    let report = load.drive(&Stop::default()).expect("datagrams");
    assert_eq!(report.sent, DATAGRAMS);

    let names = [0, 1].map(|place| nodes[place].pods[0].name.as_str());
    let is_it = |path: &&ExpectedPath| [path.from.as_str(), path.to.as_str()] == names;
    let expected = lab.expected();
    let class = expected.iter().find(is_it).expect("a path").class;
    for ((agent, counter), before) in agents.into_iter().zip(&counters).zip(before) {
        let counted = counter.read().expect("nft").packets;
        assert!(counted >= DATAGRAMS.into(), "{counted}");
        let ended = agent.end();
        let line = ended.last().path(ends[0], ends[1]).expect("the pair");
        assert_eq!(line.class.as_deref(), Some(class), "{line:?}");
        assert_eq!(line.packets - before, counted, "{line:?}");
        assert_eq!(line.encap.as_deref(), Some("vxlan"), "{line:?}");
        let (node, [from, to]) = (&ended.node, ends);
        println!("netpath-fact: path seen = {node}: {from} to {to}, {class}, {counted} packets");
    }
}

/// Packets of a pair, once everything that has passed is in its line.
fn packets(agent: &Agent, [from, to]: [IpAddr; 2]) -> u64 {
    agent.next_sweep().path(from, to).expect("the pair").packets
}

/// How the kernel holds an agent's programs: by TCX links, or as the agent says that it does it.
fn way(agent: &Agent) -> &'static str {
    if Holdings::has_tcx_links(agent.pid()) {
        return "tcx";
    }
    let said = agent.errors();
    assert!(said.contains("attaching by the clsact qdisc"), "{said}");
    "clsact"
}
