//! A lab whose second node has a stale MTU, with an agent on each node, and what their drops are to be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread;

use xtask::lab::{BridgeNetfilter, Lab, Node, Options, Pod, Scenario, netns};
use xtask::traffic::{Datagrams, Fragmenting, Ping, Place, Stop};

use crate::agent::{Agent, INTERVAL};
use crate::bench::{agents_on, lab, options, silence};
use crate::output::{PathLine, Proof, Span, Sweep};

/// MTU of pods on the tunnel.
pub(crate) const FORMER: u32 = 1_230;
/// Datagrams that do not fit into it: IPv4 packets of this length.
const LENGTH: u32 = 1_328;
pub(crate) const PAYLOAD: usize = LENGTH as usize - 28;

/// A path and one proof of its drops.
pub(crate) type Dropped<'a> = ([&'a Pod; 2], Proof);

pub(crate) fn proof(place: &str, reason: &str, device: &str, packets: u64) -> Proof {
    Proof {
        kind: "kfree_skb".to_owned(),
        place: place.to_owned(),
        reason: reason.to_owned(),
        device: Some(device.to_owned()),
        mtu: FORMER,
        packets,
        bytes: packets * u64::from(LENGTH),
        largest: LENGTH,
    }
}

/// A lab of two nodes with an agent on each; the second one has what is stale.
pub(crate) struct Stand {
    pub(crate) lab: Lab,
    pub(crate) agents: Vec<Agent>,
    pub(crate) pods: [Pod; 2],
}

impl Stand {
    pub(crate) fn up(purpose: &str, bridge_netfilter: BridgeNetfilter) -> Self {
        let lab = lab(Options {
            bridge_netfilter,
            pods_per_node: 2,
            ..options(Scenario::H2, purpose)
        });
        silence(&lab);
        let nodes = &lab.nodes()[..2];
        let pods = [0, 1].map(|node: usize| nodes[node].pods[0].clone());
        let agents = agents_on(nodes.iter(), &["--sample-one-in", "1"]);
        let stand = Self { lab, agents, pods };
        for agent in &stand.agents {
            let sweep = agent.next_sweep();
            assert_eq!(sweep.ledger.get("blind_spot"), 0, "{sweep:#?}");
        }
        // Every pair has its path before anything is counted.
        let [near, stale] = &stand.pods;
        for [from, to] in [
            [near, stale],
            [&stand.node().pods[0], &stand.node().pods[1]],
        ] {
            await_pair(&stand.agents[1], [from, to]);
        }
        stand
    }

    pub(crate) fn node(&self) -> &Node {
        &self.lab.nodes()[1]
    }

    /// Changes the MTU of a device of the stale node.
    pub(crate) fn mtu(&self, device: &str, mtu: u32) {
        self.lab
            .set_mtu(&self.node().name, device, mtu)
            .expect("MTU");
    }

    /// Waits until the stale node's agent shows exactly these; the other one shows none.
    pub(crate) fn assert_drops(&self, expected: &[Dropped<'_>]) {
        let wanted: BTreeSet<_> = expected.iter().map(named).collect();
        let sum: u64 = expected.iter().map(|(_, proof)| proof.packets).sum();
        let [near, stale] = [&self.agents[0], &self.agents[1]];
        stale.await_sweep("all drops", |sweep| drops(sweep) >= sum);
        assert_eq!(shown(&stale.next_sweep()), wanted);
        assert_eq!(shown(&near.next_sweep()), BTreeSet::new());
    }

    /// Ends the agents: nothing was lost, and the spans of paths with drops, and no others, say so;
    /// answers with their roots.
    pub(crate) fn end(self, expected: &[Dropped<'_>]) -> Vec<Span> {
        let mut roots = Vec::new();
        for (agent, is_stale) in self.agents.into_iter().zip([false, true]) {
            let ended = agent.end();
            let ledger = &ended.last().ledger;
            for loss in ["drops_refused", "drops_unreadable", "blind_spot"] {
                assert_eq!(ledger.get(loss), 0, "{loss}");
            }
            let told = ended.spans.iter().filter(|span| {
                let is_root = span.kind != "internal";
                is_root && span.attributes.contains_key("netpath.oversize.drops")
            });
            roots.extend(told.clone().cloned());
            let told: BTreeSet<_> = told
                .map(|span| {
                    ["source.address", "destination.address"]
                        .map(|name| span.attributes[name].as_str().expect("text").to_owned())
                })
                .collect();
            let paths = expected
                .iter()
                .map(|(pods, _)| pods.map(|pod| pod.address.to_string()));
            let paths: BTreeSet<_> = paths.filter(|_| is_stale).collect();
            assert_eq!(told, paths);
        }
        roots
    }
}

/// Waits until packets between two pods count on a path of their own.
pub(crate) fn await_pair(agent: &Agent, [from, to]: [&Pod; 2]) {
    agent.await_path([from, to].map(|pod| IpAddr::from(pod.address)), || {
        let ping = Ping::new(Place::from(from), to.address, 1);
        assert_eq!(ping.drive(&Stop::default()).expect("ping").received, 1);
    });
}

/// A round trip between two pods, once a sweep has seen what was dropped between them.
pub(crate) fn trace([from, to]: [&Pod; 2]) {
    thread::sleep(2 * INTERVAL);
    let ping = Ping::new(Place::from(from), to.address, 2);
    assert_eq!(ping.drive(&Stop::default()).expect("ping").received, 2);
}

/// Sends long datagrams that are not to be cut; how many leave and how many arrive.
pub(crate) fn send([from, to]: [&Pod; 2], count: u32) -> (u32, u32) {
    let datagrams = Datagrams {
        fragmenting: Fragmenting::Probing,
        ..Datagrams::new(Place::from(from), Place::from(to), count, PAYLOAD)
    };
    let report = datagrams.drive(&Stop::default()).expect("datagrams");
    // A datagram is refused instead of sent where the one before it was answered by an error.
    assert_eq!(report.sent + report.refused, count);
    (report.sent, report.received)
}

/// Addresses of a path and a proof.
pub(crate) type Shown = ([String; 2], Proof);

pub(crate) fn named((pods, proof): &Dropped<'_>) -> Shown {
    (pods.map(|pod| pod.address.to_string()), proof.clone())
}

/// All proofs of a sweep.
pub(crate) fn shown(sweep: &Sweep) -> BTreeSet<Shown> {
    let present = sweep.paths.iter().filter(|path| path.present);
    let proofs = present.flat_map(|path| {
        let oversize = path.oversize.as_ref().expect("drops are watched");
        let sum: u64 = oversize.dropped().map(|proof| proof.packets).sum();
        assert_eq!(oversize.drops, sum);
        let ends = ends(path);
        oversize
            .dropped()
            .map(move |proof| (ends.clone(), proof.clone()))
    });
    proofs.collect()
}

pub(crate) fn ends(path: &PathLine) -> [String; 2] {
    [&path.source, &path.destination].map(|end| {
        let address = end.address.map(|address| address.to_string());
        address.unwrap_or_default()
    })
}

pub(crate) fn drops(sweep: &Sweep) -> u64 {
    let proofs = sweep.paths.iter().filter_map(|path| path.oversize.as_ref());
    proofs.map(|oversize| oversize.drops).sum()
}

/// Packets that a device has not handed on, as its driver counts them.
pub(crate) fn dropped(netns: &str, device: &str) -> u64 {
    let path = format!("/sys/class/net/{device}/statistics/tx_dropped");
    let said = netns::command(netns, &["cat", &path])
        .output()
        .expect("cat");
    let text = String::from_utf8(said.stdout).expect("text");
    text.trim().parse().expect("a count")
}
