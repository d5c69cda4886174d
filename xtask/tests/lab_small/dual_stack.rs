//! What only IPv6 does: nobody but a packet's sender cuts it, and whoever has too little room says so.

use std::time::Duration;

use xtask::lab::topology::{Family, VXLAN_SIX};
use xtask::lab::{Lab, Scenario};
use xtask::oracle::{Counter, Counters, Hook, Packets};
use xtask::traffic::{Ping, PingReport, Place, Stop};

use super::bench::{lab_options, possible};

/// Echo requests of the first node's pod to the second's: so many, each with this payload.
fn ping(lab: &Lab, count: u32, payload: usize) -> PingReport {
    let pod = |node: usize| &lab.nodes()[node].pods[0];
    let [from, to] = [0, 1].map(|node| Place::of(pod(node), Family::Six).expect("dual stack"));
    let ping = Ping {
        payload,
        patience: Duration::from_millis(200),
        ..Ping::new(from, to.address, count)
    };
    ping.drive(&Stop::default()).expect("ping")
}

/// Growth of some counters.
fn grown(netns: &str, names: &[&'static str], work: impl FnOnce()) -> Vec<i64> {
    let read = || Counters::read(netns).expect("counters");
    let before = read();
    work();
    let after = read().since(&before);
    names.iter().map(|name| after.get(name)).collect()
}

#[test]
fn vxlan_over_ipv6_is_never_cut_and_the_pod_is_told() {
    let test = "dual_stack::vxlan_over_ipv6_is_never_cut_and_the_pod_is_told";
    if !possible(test) {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2v6, "narrow")).expect("lab comes up");
    for node in ["n1", "n2"] {
        lab.set_mtu(node, "lima0", 1400).expect("set");
    }
    let netns = lab.nodes()[0].netns.as_str();
    let count =
        |device, packets| Counter::install(netns, device, Hook::Egress, packets).expect("counter");
    let outer = [
        count("lima0", Packets::all().in_ipv6_fragments()),
        count("lima0", Packets::all().to_udp_port(8472)),
    ];
    let on_wire = || {
        outer
            .each_ref()
            .map(|own| own.read().expect("count").packets)
    };
    let names = ["Ip6FragFails", "Ip6FragCreates", "Icmp6OutPktTooBigs"];
    // What flannel-v6.1 takes, and the wire does not: the node's own VXLAN packet is refused, and only
    // then does the node know what to tell the pod.
    let first = grown(netns, &names, || {
        assert_eq!(ping(&lab, 1, FULL).received, 0);
    });
    assert_eq!((first, on_wire()), (vec![1, 0, 1], [0, 0]));
    let second = grown(netns, &names, || {
        assert_eq!(ping(&lab, 1, FULL).received, 0);
    });
    assert_eq!((second, on_wire()), (vec![1, 0, 1], [0, 0]));
    // From here on the pod cuts to 1,400 less 70; so does the other one for its replies, once told.
    assert!(ping(&lab, 4, FULL).received > 0);
    let inner = count(VXLAN_SIX, Packets::all().in_ipv6_fragments());
    let before = on_wire();
    let pod = &lab.nodes()[0].pods[0].netns;
    let made = grown(pod, &["Ip6FragCreates"], || {
        assert_eq!(ping(&lab, 5, FULL).received, 5);
    });
    assert_eq!(made, [10]);
    assert_eq!(inner.read().expect("count").packets, 10);
    assert_eq!(
        on_wire(),
        [0, before[1] + 10],
        "each fragment in VXLAN of its own"
    );
}

/// Payload of an echo request that flannel-v6.1 just takes: 1,430 bytes with its headers.
const FULL: usize = 1_430 - 48;

#[test]
fn a_tunnel_as_narrow_as_tailscales_own_leaves_no_ipv6_to_the_overlay() {
    let test = "dual_stack::a_tunnel_as_narrow_as_tailscales_own_leaves_no_ipv6_to_the_overlay";
    if !possible(test) {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1v6, "least")).expect("lab comes up");
    let node = &lab.nodes()[0];
    let has_six = || {
        let mut addresses = lab
            .command(
                &node.name,
                &["ip", "-6", "-br", "addr", "show", "dev", VXLAN_SIX],
            )
            .expect("node");
        let said = addresses.output().expect("ip").stdout;
        !said.is_empty()
    };
    assert!(has_six());
    lab.set_mtu(&node.name, VXLAN_SIX, 1_280).expect("set");
    assert!(has_six(), "the least that IPv6 takes");
    // 1,280 of tailscale0 less 70.
    lab.set_mtu(&node.name, VXLAN_SIX, 1_210).expect("set");
    assert!(!has_six());
    assert_eq!(ping(&lab, 1, 56).received, 0);
}
