//! Packets that a node drops for their size count by place, device and path, exactly as the kernel's own
//! counters say; those of other nodes, other reasons and other sizes do not.

#[path = "oversize/six.rs"]
mod six;
#[path = "oversize/stand.rs"]
pub(super) mod stand;
#[path = "oversize/told.rs"]
mod told;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use xtask::lab::topology::BRIDGE;
use xtask::lab::{BridgeNetfilter, Scenario};
use xtask::oracle::{Counter, Counters, Hook};
use xtask::traffic::{Fragmenting, Ping, Place, Stop};

use self::stand::{
    FORMER, PAYLOAD, Stand, await_pair, dropped, drops, named, proof, send, shown, trace,
};
use super::agent::Agent;
use super::bench::{lab, options, silence, turn};
use super::output::Span;

/// MTU of all but pods on the tunnel.
const WHOLE: u32 = 1_450;
/// Echo requests that are lost.
const LOST: u32 = 2;
/// A packet is given up after 3 s and told at the next sweep, or the one after it.
const GIVEN_UP: Duration = Duration::from_millis(4_500);
const TOO_BIG: &str = "PKT_TOO_BIG";
const UNSPECIFIED: &str = "NOT_SPECIFIED";

#[test]
fn drops_count_by_place_and_path_as_the_kernel_counts_them() {
    let test = "oversize::drops_count_by_place_and_path_as_the_kernel_counts_them";
    let Some(_turn) = turn(test) else { return };
    let stand = Stand::up("drop", BridgeNetfilter::Off);
    let (near, stale) = (stand.pods[0].clone(), stand.pods[1].clone());
    let port = stale.host_veth.as_str();

    // Healthy: what is long passes.
    assert_eq!(send([&near, &stale], 7), (7, 7));
    assert_eq!(send([&stale, &near], 7), (7, 7));
    stand.assert_drops(&[]);

    // The bridge is too narrow: the node that forwards drops, and says so.
    stand.mtu(BRIDGE, FORMER);
    let before = Counters::read(&stand.node().netns).expect("counters");
    let (sent, received) = send([&near, &stale], 11);
    assert!(
        sent > 0 && received == 0,
        "{sent} sent, {received} received"
    );
    let after = Counters::read(&stand.node().netns).expect("counters");
    assert_eq!(after.since(&before).get("IpFragFails"), i64::from(sent));
    stand.mtu(BRIDGE, WHOLE);
    let forwarded = proof("ip_forward", TOO_BIG, BRIDGE, sent.into());
    let forward = ([&near, &stale], forwarded);
    stand.assert_drops(std::slice::from_ref(&forward));

    // The port is too narrow: what comes through the bridge is dropped before it...
    stand.mtu(port, FORMER);
    stand.mtu(BRIDGE, WHOLE);
    let crossed = |device: &str| {
        let long = format!("meta length > {FORMER}");
        Counter::install(&stand.node().netns, device, Hook::Egress, long).expect("counter")
    };
    let (bridge, reached) = (crossed(BRIDGE), crossed(port));
    assert_eq!(send([&near, &stale], 13), (13, 0));
    let unanswered = Ping {
        patience: Duration::from_millis(100),
        payload: PAYLOAD,
        fragmenting: Fragmenting::Probing,
        ..Ping::new(Place::from(&near), stale.address, LOST)
    };
    let unanswered = unanswered.drive(&Stop::default());
    assert_eq!(unanswered.expect("ping").received, 0);
    let counted = [&bridge, &reached].map(|at| at.read().expect("count").packets);
    let lost = 13 + u64::from(LOST);
    assert_eq!(counted, [lost, 0]);
    let bridged = (
        [&near, &stale],
        proof("bridge_port", UNSPECIFIED, port, lost),
    );

    // ...and what the pod sends before the port receives it.
    let before = dropped(&stale.netns, "eth0");
    assert_eq!(send([&stale, &near], 17), (17, 0));
    assert_eq!(dropped(&stale.netns, "eth0") - before, 17);
    trace([&stale, &near]);
    stand.mtu(port, WHOLE);
    let received = (
        [&stale, &near],
        proof("veth_to_node", UNSPECIFIED, port, 17),
    );
    stand.assert_drops(&[forward.clone(), bridged.clone(), received.clone()]);

    // The pod's own device is too narrow.
    stand.lab.set_mtu(&stale.name, "eth0", FORMER).expect("MTU");
    let before = dropped(&stand.node().netns, port);
    assert_eq!(send([&near, &stale], 19), (19, 0));
    assert_eq!(dropped(&stand.node().netns, port) - before, 19);
    stand.lab.set_mtu(&stale.name, "eth0", WHOLE).expect("MTU");
    let to_pod = ([&near, &stale], proof("veth_to_pod", UNSPECIFIED, port, 19));

    // Mended.
    assert_eq!(send([&near, &stale], 5), (5, 5));
    let expected = [forward, bridged, received, to_pod];
    stand.assert_drops(&expected);
    for (_, proof) in &expected {
        let (place, reason, packets) = (&proof.place, &proof.reason, proof.packets);
        println!("netpath-fact: drops under an agent = {place}, {reason}, {packets} packets");
    }
    thread::sleep(GIVEN_UP);
    let spans = stand.end(&expected);
    let is_lost = |span: &&Span| span.attributes.contains_key("netpath.outcome");
    let lost = spans.iter().filter(is_lost).count();
    assert_eq!(lost, 1, "the last echo request is followed to its end");
}

#[test]
fn a_bridge_that_filters_drops_between_pods_of_one_node() {
    let test = "oversize::a_bridge_that_filters_drops_between_pods_of_one_node";
    let Some(_turn) = turn(test) else { return };
    let stand = Stand::up("brnf", BridgeNetfilter::On);
    let [one, other] = [0, 1].map(|pod: usize| stand.node().pods[pod].clone());
    let port = other.host_veth.as_str();
    assert_eq!(send([&one, &other], 3), (3, 3));
    stand.mtu(port, FORMER);
    stand.mtu(BRIDGE, WHOLE);
    let before = Counters::read(&stand.node().netns).expect("counters");
    assert_eq!(send([&one, &other], 23), (23, 0));
    trace([&one, &other]);
    let after = Counters::read(&stand.node().netns).expect("counters");
    assert_eq!(after.since(&before).get("IpFragFails"), 23);
    let filtered = (
        [&one, &other],
        proof("bridge_netfilter", UNSPECIFIED, port, 23),
    );
    stand.assert_drops(std::slice::from_ref(&filtered));
    stand.end(&[filtered]);
}

#[test]
fn without_the_kernels_symbols_only_drops_with_a_reason_count() {
    let test = "oversize::without_the_kernels_symbols_only_drops_with_a_reason_count";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "syslog"));
    silence(&lab);
    let [near, stale] = [0, 1].map(|node| &lab.nodes()[node].pods[0]);
    let node = &lab.nodes()[1];
    let at = (node.netns.as_str(), node.name.as_str());
    let agent = Agent::start_by(&["setpriv", "--bounding-set", "-syslog"], at, &[]);
    agent.await_attached();
    await_pair(&agent, [near, stale]);
    lab.set_mtu(&node.name, BRIDGE, FORMER).expect("MTU");
    let (sent, _) = send([near, stale], 5);
    lab.set_mtu(&node.name, &stale.host_veth, FORMER)
        .expect("MTU");
    lab.set_mtu(&node.name, BRIDGE, WHOLE).expect("MTU");
    send([near, stale], 5);
    agent.await_sweep("the drops", |sweep| drops(sweep) >= u64::from(sent));
    let sweep = agent.next_sweep();
    let told = ([near, stale], proof("other", TOO_BIG, BRIDGE, sent.into()));
    assert_eq!(shown(&sweep), BTreeSet::from([named(&told)]));
    assert_eq!(sweep.ledger.reason("blind_spot", "drops_no_symbols"), 1);
    let ended = agent.end();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.errors.contains("CAP_SYSLOG"), "{}", ended.errors);
}

#[test]
fn without_the_kernels_types_no_drop_is_looked_at_and_the_agent_lives() {
    let test = "oversize::without_the_kernels_types_no_drop_is_looked_at_and_the_agent_lives";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "types"));
    let [near, stale] = [0, 1].map(|node| &lab.nodes()[node].pods[0]);
    let node = &lab.nodes()[1];
    let hidden = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let through = ["unshare", "--mount", "sh", "-c", hidden, "sh"];
    let at = (node.netns.as_str(), node.name.as_str());
    let agent = Agent::start_by(&through, at, &[]);
    agent.await_attached();
    await_pair(&agent, [near, stale]);
    let sweep = agent.next_sweep();
    let looked_at = sweep.paths.iter().any(|path| path.oversize.is_some());
    assert!(!looked_at, "{sweep:#?}");
    assert_eq!(sweep.ledger.reason("blind_spot", "drops_no_types"), 1);
    let ended = agent.end();
    assert_eq!(ended.status.code(), Some(0));
    assert!(
        ended.errors.contains("CONFIG_DEBUG_INFO_BTF"),
        "{}",
        ended.errors
    );
}
