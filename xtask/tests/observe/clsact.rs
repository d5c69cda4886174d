//! The way to attach of kernels without TCX, forced: the same numbers, neighbours on a hook undisturbed,
//! and nothing left behind, at the latest by the next start.

use std::time::Duration;

use nix::sys::signal::Signal;
use observer_ebpf::abi::point::Point;
use xtask::lab::Scenario;
use xtask::traffic::{Ping, Place, Stop};

use super::agent::Agent;
use super::bad_input::Room;
use super::bench::{agents, turn, with_load};
use super::filters::{filters, has_qdisc, tc, tc_words};
use super::kernel::{Maps, attached, has_tcx};
use super::ledger;
use super::life::devices;
use super::paths::{await_right, pairs, pairs_lab};
use super::wires::{DEVICE, places, rooms};

/// Settings that force the way.
const FORCED: &str = "attach = \"clsact\"\n";
/// How the agent's filters show in `tc filter show`, in a qdisc that it made and in another's.
const OWN: &str = "pref 1 bpf chain 0 handle 0x6e657471 ";
const OWN_IN_OTHERS: &str = "pref 1 bpf chain 0 handle 0x6e657470 ";
/// Packets of one ping.
const PINGS: u32 = 5;

#[test]
fn rows_add_up_to_what_nft_counts_at_every_point_of_h2() {
    let room = Room::new("clsact-sum");
    let arguments = ["--config", &room.file("clsact.toml", FORCED)];
    let test = "clsact::rows_add_up_to_what_nft_counts_at_every_point_of_h2";
    ledger::check(test, Scenario::H2, Point::Underlay0, &arguments);
}

#[test]
fn every_pair_of_s1_is_right_and_every_hook_is_free_again_at_the_end() {
    let test = "clsact::every_pair_of_s1_is_right_and_every_hook_is_free_again_at_the_end";
    let Some(_turn) = turn(test) else { return };
    let room = Room::new("clsact-pairs");
    let arguments = ["--config", &room.file("clsact.toml", FORCED)];
    let lab = pairs_lab(Scenario::S1);
    let agents = agents(&lab, &arguments);
    with_load(&pairs(&lab), || await_right(&lab, &agents));
    let hooks = || {
        let nodes = lab.nodes().iter();
        nodes.flat_map(|node| devices(node).into_iter().map(move |device| (node, device)))
    };
    for (node, device) in hooks() {
        assert_eq!(attached(&node.netns, device), [0, 0], "TCX at {device}");
        for filters in filters(&node.netns, device) {
            assert_eq!(filters.len(), 1, "{device}: {filters:?}");
            assert!(filters[0].contains(OWN), "{device}: {filters:?}");
        }
    }
    for agent in agents {
        assert_eq!(agent.end().status.code(), Some(0));
    }
    for (node, device) in hooks() {
        assert!(!has_qdisc(&node.netns, device), "{device} of {}", node.name);
    }
}

#[test]
fn what_a_killed_agent_left_is_gone_after_the_next_start() {
    let test = "clsact::what_a_killed_agent_left_is_gone_after_the_next_start";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("clsact-kill");
    let (room, netns) = (&rooms[0], rooms[0].netns.as_str());
    room.ip(&["link add cni0 type bridge", "link set cni0 up"]);
    let clsact = room.file("clsact.toml", FORCED);
    let tcx = room.file("tcx.toml", "attach = \"tcx\"\n");
    let devices = [DEVICE, "cni0"];
    started(room, &clsact).end_by(Signal::SIGKILL);
    let left = devices.map(|device| filters(netns, device));
    assert!(
        left.as_flattened().iter().all(|hook| hook.len() == 1),
        "{left:?}"
    );
    let second = started(room, &clsact);
    let fresh = devices.map(|device| filters(netns, device));
    for (fresh, left) in fresh.as_flattened().iter().zip(left.as_flattened()) {
        assert_eq!(fresh.len(), 1, "{fresh:?}");
        assert_ne!(fresh, left, "the dead one's program");
    }
    assert_said(&second);
    second.end_by(Signal::SIGKILL);
    let third = started(room, if has_tcx() { &tcx } else { &clsact });
    assert_said(&third);
    for device in devices {
        assert_eq!(has_qdisc(netns, device), !has_tcx(), "{device}");
        assert_eq!(attached(netns, device), [1, 1], "{device}");
    }
    assert_eq!(third.end().status.code(), Some(0));
    assert!(devices.iter().all(|device| !has_qdisc(netns, device)));
}

#[test]
fn anothers_filters_stay_and_see_every_packet() {
    let test = "clsact::anothers_filters_stay_and_see_every_packet";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("clsact-other");
    let (room, netns) = (&rooms[0], rooms[0].netns.as_str());
    let settings = room.file("clsact.toml", FORCED);
    let [from, to] = places(&rooms);
    tc(netns, &format!("qdisc add dev {DEVICE} clsact"));
    // It shares priority 1 with the agent's at one hook, and stands behind it at the other.
    // Requests leave by the one hook, replies come in by the other.
    for (hook, priority, passed) in [("egress", 1, 1), ("ingress", 2, 2)] {
        assert_eq!(ping(&from, &to), PINGS, "nobody drops yet at {hook}");
        tc_words(netns, &drop_icmp(hook, priority));
        let killed = started(room, &settings);
        let with_agent = filters(netns, DEVICE);
        let is_own = |line: &&String| line.contains(OWN_IN_OTHERS);
        for filters in &with_agent {
            assert_eq!(filters.iter().filter(is_own).count(), 1, "{filters:?}");
        }
        killed.end_by(Signal::SIGKILL);
        let agent = started(room, &settings);
        assert_eq!(
            filters(netns, DEVICE).concat().len(),
            3,
            "ours twice, one of theirs"
        );
        let maps = Maps::of(agent.pid());
        let counted = || maps.read().others[Point::Underlay0 as usize].segments;
        let before = counted();
        let answered = ping(&from, &to);
        assert_eq!(answered, 0, "the other one sees no packet at {hook}");
        assert_eq!(
            counted() - before,
            passed * u64::from(PINGS),
            "seen before dropped"
        );
        assert_eq!(agent.end().status.code(), Some(0));
        let left = filters(netns, DEVICE).concat();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("handle 0x9"), "{left:?}");
        assert_eq!(ping(&from, &to), 0, "the other one is in force");
        tc(netns, &format!("filter del dev {DEVICE} {hook}"));
    }
    assert_eq!(started(room, &settings).end().status.code(), Some(0));
    assert!(has_qdisc(netns, DEVICE), "the other's qdisc, though empty");
}

/// An agent by a settings file, with its programs in place.
fn started(room: &Room, settings: &str) -> Agent {
    let agent = Agent::start(&room.netns, "n1", &["--config", settings]);
    agent.await_attached();
    agent
}

/// Arguments of `tc` for a filter that drops ICMP inside Ethernet frames and has no opinion of others.
fn drop_icmp(hook: &str, priority: u32) -> Vec<String> {
    // Load the protocol; if it is 1 answer 2 (TC_ACT_SHOT), else -1 (TC_ACT_UNSPEC).
    let program = "4,48 0 0 23,21 0 1 1,6 0 0 2,6 0 0 4294967295";
    let text =
        format!("filter add dev {DEVICE} {hook} prio {priority} handle 9 protocol all bpf da");
    let words = text.split(' ').chain(["bytecode", program]);
    words.map(str::to_owned).collect()
}

/// How many requests are answered.
fn ping(from: &Place, to: &Place) -> u32 {
    let ping = Ping::new(from.clone(), to.address, PINGS);
    let report = Ping {
        patience: Duration::from_millis(500),
        ..ping
    };
    report.drive(&Stop::default()).expect("ping").received
}

fn assert_said(agent: &Agent) {
    let said = agent.errors();
    assert!(said.contains("that was killed"), "{said}");
}
