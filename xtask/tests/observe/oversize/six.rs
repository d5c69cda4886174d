//! IPv6 is never cut on its way: whoever forwards what is too long drops it and tells the sender, on the
//! path of its own family; what a bridge drops nobody is told, as with IPv4.

use std::collections::BTreeSet;
use std::net::IpAddr;

use xtask::lab::topology::{BRIDGE, Family, TUNNEL, VXLAN_SIX};
use xtask::lab::{BridgeNetfilter, Node, Options, Pod, Scenario};
use xtask::oracle::{Counter, Counters, Hook};
use xtask::traffic::{Datagrams, Fragmenting, Ping, Place, Stop};

use super::super::agent::Agent;
use super::super::bench::{agents_on, lab, options, turn};
use super::super::output::{Proof, Sweep};
use super::stand::{drops, shown};
use super::told::{announced, stale_mtu};
use super::{TOO_BIG, UNSPECIFIED, WHOLE};

/// What a bridge is set to: IPv6 leaves a device that takes less than 1,280.
const NARROW: u32 = 1_400;
/// IPv6 packets that the overlay takes, and the narrow bridge does not.
const LONG: u32 = 1_428;

#[test]
fn what_another_node_does_not_forward_is_counted_there_and_announced_here() {
    let test =
        "oversize::six::what_another_node_does_not_forward_is_counted_there_and_announced_here";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2v6, "told6"));
    let nodes = [0, 1].map(|node| &lab.nodes()[node]);
    let agents = agents_on(nodes.into_iter(), &[]);
    let way = Way::of(nodes.map(|node| &node.pods[0]), Family::Six);
    way.acquaint(&agents);
    let told = way.errors(nodes[0]);
    assert_eq!(way.send(LONG, 7), (7, 7));
    assert_eq!(told.read().expect("count").packets, 0);

    let before = Counters::read(&nodes[1].netns).expect("counters");
    let set = |mtu| lab.set_mtu(&nodes[1].name, BRIDGE, mtu).expect("MTU");
    set(NARROW);
    let (sent, received) = way.send(LONG, 11);
    assert!(sent > 1 && received == 0, "{sent}, {received}");
    for (agent, subject) in agents.iter().zip([
        vec![nodes[0].name.clone(), vtep_six(nodes[1])],
        vec![nodes[1].name.clone()],
    ]) {
        let sweep = agent.await_sweep("the finding", |sweep| stale_mtu(sweep).is_some());
        let finding = stale_mtu(&sweep).expect("found");
        assert_eq!(finding.subject.nodes, subject);
        assert_eq!(finding.fix.id, "cni0-mtu");
    }
    set(WHOLE);
    let after = Counters::read(&nodes[1].netns)
        .expect("counters")
        .since(&before);
    for name in ["Ip6InTooBigErrors", "Ip6FragFails", "Icmp6OutPktTooBigs"] {
        assert_eq!(after.get(name), i64::from(sent), "{name}");
    }
    assert_eq!(told.read().expect("count").packets, u64::from(sent));
    let lost = proof("ip6_forward", TOO_BIG, (BRIDGE, NARROW), sent);
    assert_drops(&agents[1], &way, &lost);
    assert_told(&agents[0], &way, (NARROW, sent), gateway_six(nodes[1]));
    assert_eq!(drops(&agents[0].next_sweep()), 0, "dropped elsewhere");
    assert!(announced(&agents[1].next_sweep()).is_empty());
    healthy_end(agents);
}

#[test]
fn what_a_pods_own_node_does_not_forward_into_the_tunnel_is_a_drop_and_an_error() {
    let test = "oversize::six::what_a_pods_own_node_does_not_forward_into_the_tunnel_is_a_drop_and_an_error";
    let Some(_turn) = turn(test) else { return };
    check_own(Scenario::S6v6, &Family::ALL, (TUNNEL, 1_280));
}

#[test]
fn what_a_pods_own_node_does_not_forward_into_the_overlay_is_a_drop_and_an_error() {
    let test = "oversize::six::what_a_pods_own_node_does_not_forward_into_the_overlay_is_a_drop_and_an_error";
    let Some(_turn) = turn(test) else { return };
    check_own(Scenario::S1v6, &[Family::Six], (VXLAN_SIX, 1_350));
}

/// The first node's pod sends what its own node cannot hand to a device.
fn check_own(scenario: Scenario, families: &[Family], narrow: (&str, u32)) {
    let lab = lab(options(scenario, "own"));
    let nodes = [0, 1].map(|node| &lab.nodes()[node]);
    for &family in families {
        let agents = agents_on(nodes.into_iter().take(1), &[]);
        let way = Way::of(nodes.map(|node| &node.pods[0]), family);
        way.acquaint(&agents);
        let told = way.errors(nodes[0]);
        let before = Counters::read(&nodes[0].netns).expect("counters");
        let (sent, received) = way.send(narrow.1 + 8, 13);
        assert!(sent > 1 && received == 0, "{sent}, {received}");
        let after = Counters::read(&nodes[0].netns)
            .expect("counters")
            .since(&before);
        let (place, counted, router) = match family {
            Family::Four => ("ip_forward", "IpFragFails", bridge_four(nodes[0])),
            Family::Six => ("ip6_forward", "Ip6InTooBigErrors", bridge_six(nodes[0])),
        };
        assert_eq!(after.get(counted), i64::from(sent));
        assert_eq!(told.read().expect("count").packets, u64::from(sent));
        let lost = Proof {
            bytes: u64::from(sent) * u64::from(narrow.1 + 8),
            largest: narrow.1 + 8,
            ..proof(place, TOO_BIG, narrow, sent)
        };
        assert_drops(&agents[0], &way, &lost);
        assert_told(&agents[0], &way, (narrow.1, sent), router);
        let sweeps = agents[0].sweeps();
        assert!(sweeps.iter().all(|sweep| stale_mtu(sweep).is_none()));
        healthy_end(agents);
    }
}

#[test]
fn a_bridge_that_filters_drops_ipv6_too() {
    let test = "oversize::six::a_bridge_that_filters_drops_ipv6_too";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        bridge_netfilter: BridgeNetfilter::On,
        pods_per_node: 2,
        ..options(Scenario::H2v6, "brnf6")
    });
    let node = &lab.nodes()[0];
    let agents = agents_on([node].into_iter(), &[]);
    let [one, other] = [0, 1].map(|pod: usize| &node.pods[pod]);
    let way = Way::of([one, other], Family::Six);
    way.acquaint(&agents);
    assert_eq!(way.send(LONG, 3), (3, 3));
    let port = other.host_veth.as_str();
    lab.set_mtu(&node.name, port, NARROW).expect("MTU");
    lab.set_mtu(&node.name, BRIDGE, WHOLE).expect("MTU");
    let long = format!("meta length > {NARROW}");
    let left = Counter::install(&node.netns, port, Hook::Egress, long).expect("counter");
    assert_eq!(way.send(LONG, 23), (23, 0));
    assert_eq!(left.read().expect("count").packets, 0);
    // Netfilter has put a fragment's header of 8 bytes into each, in one piece, before the port drops it.
    let cut = LONG + 8;
    let lost = Proof {
        bytes: 23 * u64::from(cut),
        largest: cut,
        ..proof("bridge_port", UNSPECIFIED, (port, NARROW), 23)
    };
    assert_drops(&agents[0], &way, &lost);
    healthy_end(agents);
}

/// From one pod to another by one family.
struct Way {
    family: Family,
    places: [Place; 2],
    port: String,
}

impl Way {
    fn of(pods: [&Pod; 2], family: Family) -> Self {
        Self {
            family,
            places: pods.map(|pod| Place::of(pod, family).expect("an address of the family")),
            port: pods[0].host_veth.clone(),
        }
    }

    fn ends(&self) -> [String; 2] {
        self.places
            .each_ref()
            .map(|place| place.address.to_string())
    }

    /// The pair has its path before anything is counted.
    fn acquaint(&self, agents: &[Agent]) {
        let [from, to] = &self.places;
        for agent in agents {
            agent.await_path([from.address, to.address], || {
                let ping = Ping::new(from.clone(), to.address, 1);
                assert_eq!(ping.drive(&Stop::default()).expect("ping").received, 1);
            });
        }
    }

    /// Errors that tell the sending pod an MTU, at its port.
    fn errors(&self, node: &Node) -> Counter {
        let too_big = match self.family {
            Family::Four => "icmp type destination-unreachable icmp code frag-needed",
            Family::Six => "icmpv6 type packet-too-big",
        };
        Counter::install(&node.netns, &self.port, Hook::Egress, too_big).expect("counter")
    }

    /// Sends packets of this length that nobody may cut; how many leave and how many arrive.
    fn send(&self, length: u32, count: u32) -> (u32, u32) {
        let headers = match self.family {
            Family::Four => 28,
            Family::Six => 48,
        };
        let payload = usize::try_from(length - headers).expect("small");
        let [from, to] = self.places.clone();
        let datagrams = Datagrams {
            fragmenting: Fragmenting::Probing,
            ..Datagrams::new(from, to, count, payload)
        };
        let report = datagrams.drive(&Stop::default()).expect("datagrams");
        assert_eq!(report.sent + report.refused, count);
        (report.sent, report.received)
    }
}

/// What is to be shown of so many lost packets of [`LONG`].
fn proof(place: &str, reason: &str, (device, mtu): (&str, u32), packets: u32) -> Proof {
    Proof {
        kind: "kfree_skb".to_owned(),
        place: place.to_owned(),
        reason: reason.to_owned(),
        device: Some(device.to_owned()),
        mtu,
        packets: packets.into(),
        bytes: u64::from(packets) * u64::from(LONG),
        largest: LONG,
    }
}

/// Waits until the agent shows exactly these drops.
fn assert_drops(agent: &Agent, way: &Way, proof: &Proof) {
    agent.await_sweep("all drops", |sweep| drops(sweep) >= proof.packets);
    let expected = BTreeSet::from([(way.ends(), proof.clone())]);
    assert_eq!(shown(&agent.next_sweep()), expected);
}

/// Waits until the agent shows exactly this MTU, announced so often.
fn assert_told(agent: &Agent, way: &Way, (mtu, errors): (u32, u32), router: IpAddr) {
    let sum = |sweep: &Sweep| -> u64 {
        let told = announced(sweep).into_iter();
        told.map(|(_, told)| told.packets).sum()
    };
    agent.await_sweep("the errors", |sweep| sum(sweep) >= u64::from(errors));
    let found = announced(&agent.next_sweep());
    let [(path, told)] = found.as_slice() else {
        panic!("one path, one router, one MTU: {found:#?}");
    };
    assert_eq!(path, &way.ends());
    assert_eq!((told.mtu, told.number), (Some(mtu), mtu));
    assert_eq!((told.packets, told.from), (u64::from(errors), router));
}

/// Ends the agents: nothing was lost uncounted.
fn healthy_end(agents: Vec<Agent>) {
    for agent in agents {
        let ended = agent.end();
        for loss in [
            "drops_refused",
            "announced_refused",
            "drops_unreadable",
            "blind_spot",
        ] {
            assert_eq!(ended.last().ledger.get(loss), 0, "{loss}");
        }
    }
}

fn vtep_six(node: &Node) -> String {
    node.six.as_ref().expect("dual stack").vtep.to_string()
}

/// The address that a node's overlay has among its pods'.
fn gateway_six(node: &Node) -> IpAddr {
    node.six.as_ref().expect("dual stack").pod_network.into()
}

fn bridge_six(node: &Node) -> IpAddr {
    node.six.as_ref().expect("dual stack").pod_address(1).into()
}

fn bridge_four(node: &Node) -> IpAddr {
    let network = node.pod_network.to_bits();
    IpAddr::V4((network + 1).into())
}
