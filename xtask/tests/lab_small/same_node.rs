//! H6: pods of one node talk through the bridge alone; and pods that come and go.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use xtask::lab::topology::{BRIDGE, VXLAN};
use xtask::lab::{Lab, PodGuard, Scenario, netns};
use xtask::oracle::{Counter, Hook, link};
use xtask::traffic::{Ping, PingPong, Place, Stop, Until};

use super::bench::{assert_nothing_left, lab_options, possible};

#[test]
fn h6_stays_at_the_ports_of_the_bridge() {
    if !possible("same_node::h6_stays_at_the_ports_of_the_bridge") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H6, "ports")).expect("lab comes up");
    let node = &lab.nodes()[0];
    let (from, to) = (&node.pods[0], &node.pods[2]);
    let count = |device: &str, hook, direction: [&str; 2]| {
        let [source, target] = direction;
        let expression = format!("ip {source} {} ip {target} {}", from.address, to.address);
        Counter::install(&node.netns, device, hook, &expression).expect("counter")
    };
    let (there, back) = (["saddr", "daddr"], ["daddr", "saddr"]);
    let ports = [
        count(&from.host_veth, Hook::Ingress, there),
        count(&to.host_veth, Hook::Egress, there),
        count(&to.host_veth, Hook::Ingress, back),
        count(&from.host_veth, Hook::Egress, back),
    ];
    let elsewhere = [BRIDGE, VXLAN, "lima0"]
        .map(|device| [Hook::Ingress, Hook::Egress].map(|hook| count(device, hook, there)));
    let load = PingPong::new(from.into(), to.into(), Until::Count(100));
    let report = load.drive(&Stop::default()).expect("exchange");
    assert_eq!(report.exchanges, 100);
    let read = |counter: &Counter| counter.read().expect("count").packets;
    let [asked, heard, answered, taken] = ports.each_ref().map(read);
    assert!(asked > 100 && answered > 100, "{asked} {answered}");
    assert_eq!((asked, answered), (heard, taken));
    let found = elsewhere.each_ref().map(|both| both.each_ref().map(read));
    assert_eq!(found, [[0; 2]; 3], "cni0, flannel.1 and the wire");
    let classes: HashSet<_> = lab.expected().iter().map(|path| path.class).collect();
    assert_eq!(classes, HashSet::from(["same-node"]));
}

#[test]
fn two_hundred_pods_come_talk_and_go_within_a_minute() {
    const PODS: usize = 200;
    /// As many at a time.
    const TOGETHER: usize = 20;
    if !possible("same_node::two_hundred_pods_come_talk_and_go_within_a_minute") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "churn")).expect("lab comes up");
    let (node, far) = (&lab.nodes()[1], &lab.nodes()[0].pods[0]);
    let devices = || link::list(&node.netns).expect("links").len();
    let before = devices();
    let begun = Instant::now();
    let mut there: Vec<PodGuard> = Vec::new();
    let mut addresses = HashSet::new();
    for _ in 0..PODS {
        if there.len() == TOGETHER {
            there.remove(0).remove().expect("pod goes");
        }
        let pod = lab.add_pod(&node.name).expect("pod comes");
        addresses.insert(pod.address);
        let ping = Ping::new(Place::from(&*pod), far.address, 1).drive(&Stop::default());
        assert_eq!(ping.expect("ping").received, 1, "{}", pod.name);
        there.push(pod);
    }
    assert_eq!(devices(), before + TOGETHER);
    assert_eq!(
        addresses.len(),
        PODS,
        "an address is not used again at once"
    );
    let names: Vec<String> = there.iter().map(|pod| pod.netns.clone()).collect();
    drop(there);
    let took = begun.elapsed();
    eprintln!("{PODS} pods came and went in {took:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
    assert_eq!(devices(), before);
    assert!(!names.iter().any(|name| netns::exists(name)));
}

#[test]
fn added_pod_goes_with_its_lab() {
    if !possible("same_node::added_pod_goes_with_its_lab") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H6, "guest")).expect("lab comes up");
    lab.add_pod("n9").expect_err("no such node");
    let pod = lab.add_pod("n1").expect("pod comes");
    assert!(netns::exists(&pod.netns));
    let status = lab.status();
    drop(lab);
    assert!(!netns::exists(&pod.netns));
    assert_nothing_left(&status);
}
