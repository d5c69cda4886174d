//! The way to attach of kernels without TCX, forced: the same numbers, neighbours on a hook undisturbed,
//! and nothing left behind, at the latest by the next start.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use observer_ebpf::abi::point::Point;
use xtask::lab::topology::VXLAN;
use xtask::lab::{Node, Scenario};
use xtask::traffic::{Ping, Place, Stop};

use super::agent::Agent;
use super::bad_input::Room;
use super::bench::{agents, agents_on, lab, options, turn, with_load};
use super::kernel::{Maps, attached};
use super::ledger;
use super::life::devices;
use super::paths::{await_right, pairs, pairs_lab};

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
        for filters in filters(node, device) {
            assert_eq!(filters.len(), 1, "{device}: {filters:?}");
            assert!(filters[0].contains(OWN), "{device}: {filters:?}");
        }
    }
    for agent in agents {
        assert_eq!(agent.end().status.code(), Some(0));
    }
    for (node, device) in hooks() {
        assert!(!has_qdisc(node, device), "{device} of {}", node.name);
    }
}

#[test]
fn what_a_killed_agent_left_is_gone_after_the_next_start() {
    let test = "clsact::what_a_killed_agent_left_is_gone_after_the_next_start";
    let Some(_turn) = turn(test) else { return };
    let room = Room::new("clsact-kill");
    let clsact = room.file("clsact.toml", FORCED);
    let tcx = room.file("tcx.toml", "attach = \"tcx\"\n");
    let lab = lab(options(Scenario::H2, "clsact-kill"));
    let node = &lab.nodes()[0];
    let start = |settings: &str| {
        let mut started = agents_on(lab.nodes().iter().take(1), &["--config", settings]);
        started.remove(0)
    };
    start(&clsact).end_by(Signal::SIGKILL);
    let left = filters(node, VXLAN);
    assert!(left.iter().all(|hook| hook.len() == 1), "{left:?}");
    let second = start(&clsact);
    let fresh = filters(node, VXLAN);
    for (fresh, left) in fresh.iter().zip(&left) {
        assert_eq!(fresh.len(), 1, "{fresh:?}");
        assert_ne!(fresh, left, "the dead one's program");
    }
    assert_said(&second);
    second.end_by(Signal::SIGKILL);
    let third = start(&tcx);
    assert_said(&third);
    for device in devices(node) {
        assert!(!has_qdisc(node, device), "{device}");
        assert_eq!(attached(&node.netns, device), [1, 1], "{device}");
    }
    assert_eq!(third.end().status.code(), Some(0));
}

#[test]
fn anothers_filters_stay_and_see_every_packet() {
    let test = "clsact::anothers_filters_stay_and_see_every_packet";
    let Some(_turn) = turn(test) else { return };
    let room = Room::new("clsact-other");
    let settings = room.file("clsact.toml", FORCED);
    let lab = lab(options(Scenario::H2, "clsact-other"));
    let node = &lab.nodes()[0];
    let [from, to] = [0, 1].map(|place| Place::from(&lab.nodes()[place].pods[0]));
    let start = || agents_on(lab.nodes().iter().take(1), &["--config", &settings]).remove(0);
    tc(node, &format!("qdisc add dev {VXLAN} clsact"));
    // It shares priority 1 with the agent's at one hook, and stands behind it at the other.
    // Requests leave by the one hook, replies come in by the other.
    for (hook, priority, passed) in [("egress", 1, 1), ("ingress", 2, 2)] {
        assert_eq!(ping(&from, &to), PINGS, "nobody drops yet at {hook}");
        tc_words(node, &drop_icmp(hook, priority));
        let killed = start();
        let with_agent = filters(node, VXLAN);
        let is_own = |line: &&String| line.contains(OWN_IN_OTHERS);
        for filters in &with_agent {
            assert_eq!(filters.iter().filter(is_own).count(), 1, "{filters:?}");
        }
        killed.end_by(Signal::SIGKILL);
        let agent = start();
        assert_eq!(
            filters(node, VXLAN).concat().len(),
            3,
            "ours twice, one of theirs"
        );
        let maps = Maps::of(agent.pid());
        let counted = || maps.read().pods[Point::Overlay as usize].segments;
        let before = counted();
        let answered = ping(&from, &to);
        assert_eq!(answered, 0, "the other one sees no packet at {hook}");
        assert_eq!(
            counted() - before,
            passed * u64::from(PINGS),
            "seen before dropped"
        );
        assert_eq!(agent.end().status.code(), Some(0));
        let left = filters(node, VXLAN).concat();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("handle 0x9"), "{left:?}");
        assert_eq!(ping(&from, &to), 0, "the other one is in force");
        tc(node, &format!("filter del dev {VXLAN} {hook}"));
    }
    assert_eq!(start().end().status.code(), Some(0));
    assert!(has_qdisc(node, VXLAN), "the other's qdisc, though empty");
}

/// Arguments of `tc` for a filter that drops ICMP inside Ethernet frames and has no opinion of others.
fn drop_icmp(hook: &str, priority: u32) -> Vec<String> {
    // Load the protocol; if it is 1 answer 2 (TC_ACT_SHOT), else -1 (TC_ACT_UNSPEC).
    let program = "4,48 0 0 23,21 0 1 1,6 0 0 2,6 0 0 4294967295";
    let text =
        format!("filter add dev {VXLAN} {hook} prio {priority} handle 9 protocol all bpf da");
    let words = text.split(' ').chain(["bytecode", program]);
    words.map(str::to_owned).collect()
}

/// The filters at the ingress and the egress of a device, a line each.
fn filters(node: &Node, device: &str) -> [Vec<String>; 2] {
    ["ingress", "egress"].map(|hook| {
        let text = tc(node, &format!("filter show dev {device} {hook}"));
        let lines = text.lines().filter(|line| line.contains(" handle "));
        lines.map(str::to_owned).collect()
    })
}

fn has_qdisc(node: &Node, device: &str) -> bool {
    tc(node, &format!("qdisc show dev {device}")).contains("clsact")
}

fn tc(node: &Node, line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    tc_words(node, &words)
}

fn tc_words(node: &Node, words: &[String]) -> String {
    let mut command = Command::new("tc");
    let done = command.args(["-n", &node.netns]).args(words).output();
    let done = done.expect("tc starts");
    assert!(done.status.success(), "{words:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
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
