//! Devices that are removed, made again, renamed and flapped: indexes and names change as asked, and
//! pods talk again.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use xtask::lab::topology::{TUNNEL, VXLAN};
use xtask::lab::{Flaps, Lab, Node, Scenario};
use xtask::oracle::{Counter, Hook, Question, link, route};
use xtask::traffic::{Ping, Place, Stop};

use super::bench::{assert_nothing_left, lab_options, possible};

#[test]
fn flannel_device_comes_back_under_a_new_index() {
    if !possible("devices::flannel_device_comes_back_under_a_new_index") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::H2, "again")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[0], &lab.nodes()[1]);
    let before = index(node, VXLAN).expect("flannel.1");
    lab.remove_device(&node.name, VXLAN).expect("remove");
    assert_eq!(index(node, VXLAN), None);
    assert_eq!(answers(node, peer, 1), 0, "no road without flannel.1");
    lab.restore_device(&node.name, VXLAN).expect("restore");
    let after = index(node, VXLAN).expect("flannel.1");
    assert_ne!(after, before);
    assert_talk(node, peer, VXLAN);
    lab.remove_device(&node.name, "lima0").expect_err("not it");
    lab.restore_device("n9", VXLAN).expect_err("no such node");
}

#[test]
fn tunnel_comes_back_with_its_process_and_takes_flannel_along() {
    if !possible("devices::tunnel_comes_back_with_its_process_and_takes_flannel_along") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1, "again")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[0], &lab.nodes()[1]);
    let before = [TUNNEL, VXLAN].map(|device| index(node, device).expect("device"));
    lab.remove_device(&node.name, TUNNEL).expect("remove");
    let gone = [TUNNEL, VXLAN].map(|device| index(node, device));
    assert_eq!(gone, [None; 2], "flannel.1 is bound to tailscale0");
    lab.remove_device(&node.name, TUNNEL)
        .expect_err("not running");
    for device in [TUNNEL, VXLAN] {
        lab.restore_device(&node.name, device).expect("restore");
    }
    let after = [TUNNEL, VXLAN].map(|device| index(node, device).expect("device"));
    assert!(after.iter().all(|index| !before.contains(index)));
    let tunnel = route::get(&node.netns, peer.tailnet.address, Question::default());
    assert_eq!(tunnel.expect("route").table.as_deref(), Some("52"));
    // The other end first: it has to take the new session although it has the old one.
    let begun = Instant::now();
    while answers(peer, node, 1) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(2), "no new session");
    }
    assert_talk(peer, node, TUNNEL);
    assert_talk(node, peer, TUNNEL);
    let status = lab.status();
    assert!(status.processes.iter().all(|process| process.alive));
    assert_eq!(status.processes.len(), 3);
    drop(lab);
    assert_nothing_left(&status);
}

#[test]
fn renamed_device_keeps_its_index_and_its_traffic() {
    if !possible("devices::renamed_device_keeps_its_index_and_its_traffic") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1, "name")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[1], &lab.nodes()[2]);
    for device in [VXLAN, TUNNEL] {
        let before = index(node, device);
        lab.rename_device(&node.name, device, "other0")
            .expect("rename");
        assert_eq!((index(node, device), index(node, "other0")), (None, before));
        assert_talk(node, peer, "other0");
        lab.rename_device(&node.name, "other0", device)
            .expect("rename");
        assert_talk(node, peer, device);
    }
}

#[test]
fn flapped_devices_carry_traffic_again() {
    if !possible("devices::flapped_devices_carry_traffic_again") {
        return;
    }
    let lab = Lab::up(lab_options(Scenario::S1, "flap")).expect("lab comes up");
    let (node, peer) = (&lab.nodes()[2], &lab.nodes()[0]);
    let flaps = Flaps {
        times: 50,
        within: Duration::from_secs(2),
    };
    for device in ["eth0", TUNNEL, VXLAN] {
        let before = index(node, device);
        let begun = Instant::now();
        lab.flap_device(&node.name, device, flaps).expect("flap");
        let took = begun.elapsed();
        assert!(took >= flaps.within && took < flaps.within * 3, "{took:?}");
        assert_eq!(index(node, device), before);
        // The routes of the devices above may have gone with it.
        assert_talk(node, peer, device);
    }
    let outside = Ipv4Addr::new(192, 0, 2, 1);
    let found = route::get(&node.netns, outside, Question::default()).expect("default route");
    assert_eq!(found.dev.as_deref(), Some("eth0"));
}

fn index(node: &Node, device: &str) -> Option<u32> {
    let found = link::find(&node.netns, device).expect("links");
    found.map(|link| link.ifindex)
}

/// How many of some pings between the first pods of two nodes are answered.
fn answers(from: &Node, to: &Node, count: u32) -> u32 {
    let ping = Ping {
        patience: Duration::from_millis(300),
        ..Ping::new(Place::from(&from.pods[0]), to.pods[0].address, count)
    };
    ping.drive(&Stop::default()).expect("ping").received
}

/// Pings are answered, and leave by the device.
fn assert_talk(from: &Node, to: &Node, device: &str) {
    let counter = Counter::install(&from.netns, device, Hook::Egress, "").expect("counter");
    assert_eq!(answers(from, to, 5), 5, "{} to {}", from.name, to.name);
    assert!(counter.read().expect("count").packets >= 5, "{device}");
}
