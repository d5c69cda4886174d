//! Underlays before the stack: frames on the wire as the device counts them whatever GRO makes of
//! them, the time until TC ingress, and the programs of others.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use xtask::lab::Scenario;
use xtask::traffic::{Bulk, Datagrams, Ping, Place, Stop, Volume};

use super::agent::{Agent, patience};
use super::bad_input::Room;
use super::bench::{agents_on, lab, options, silence, turn};
use super::kernel::{Holdings, attached, has_tcx};
use super::offload::merge_received;
use super::output::Sweep;
use super::wires::{
    DEVICE, Passed, Watched, connect, exact, holder, merge, places, rooms, started, still, xdp,
};

/// How `ip link` tells the modes.
const NATIVE: u64 = 1;
const GENERIC: u64 = 2;
const BULK: u64 = 20_000_000;
const DATAGRAMS: u32 = 300;
const PINGS: u32 = 20;

#[test]
fn native_counts_the_wire_of_h2_exactly_and_times_the_way_to_the_stack() {
    let test = "xdp::native_counts_the_wire_of_h2_exactly_and_times_the_way_to_the_stack";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "wire"));
    silence(&lab);
    let nodes = [&lab.nodes()[0], &lab.nodes()[1]];
    nodes.into_iter().for_each(merge);
    let arguments = ["--xdp", "native", "--sample-one-in", "1"];
    let agents = agents_on(nodes.into_iter(), &arguments);
    let [from, to] = nodes.map(|node| Place::from(&node.pods[0]));
    for node in nodes {
        for device in &node.devices {
            assert_eq!(xdp(&node.netns, &device.name), Some(NATIVE), "{device:?}");
        }
    }
    let watched = [0, 1].map(|place| Watched::new(nodes[place], &agents[place]));
    let mut before = watched.each_ref().map(Watched::still);
    let mut step = |what: &str, work: &dyn Fn()| {
        work();
        let after = watched.each_ref().map(Watched::still);
        let passed = [0, 1].map(|node| after[node].since(&before[node]));
        eprintln!("{what}: {passed:#?}");
        before = after;
        for passed in &passed {
            passed.assert_exact();
        }
        passed
    };

    let [_, received] = step("datagrams", &|| {
        // A veth that hands frames to XDP holds 256 of them (kernel: drivers/net/veth.c).
        let load = Datagrams {
            gap: Duration::from_micros(100),
            ..Datagrams::new(from.clone(), to.clone(), DATAGRAMS, 500)
        };
        let report = load.drive(&Stop::default()).expect("datagrams");
        assert_eq!(report.received, DATAGRAMS);
    });
    assert!(received.wire.packets >= DATAGRAMS.into(), "{received:#?}");
    let [own, others] = step("pings", &|| ping(&from, &to, PINGS));
    for node in [own, others] {
        let delay = node.wire.delay_ms.expect("timed");
        assert_eq!(delay.count, u64::from(PINGS), "{node:#?}");
        assert_eq!((node.wire.noted, node.wire.unmet), (u64::from(PINGS), 0));
        assert!(delay.mean > 0.0 && delay.mean < 5.0, "{delay:?}");
    }
    let [_, received] = step("bulk", &|| {
        let load = Bulk::new(from.clone(), to.clone(), Volume::Bytes(BULK));
        assert_eq!(load.drive(&Stop::default()).expect("transfer").bytes, BULK);
    });
    let wire = received.wire;
    assert!(wire.packets > BULK / 1_500, "{wire:?}");
    assert!(wire.buffers * 3 < wire.packets, "GRO merges: {wire:?}");
    let timed = wire.delay_ms.expect("timed").count;
    assert!(timed > 10 && timed + wire.unmet <= wire.noted, "{wire:?}");
}

#[test]
fn native_counts_one_wire_exactly_on_any_kernel() {
    let test = "xdp::native_counts_one_wire_exactly_on_any_kernel";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("native");
    merge_received(&rooms[0].netns, DEVICE);
    let agent = started(&rooms[0], "native");
    assert_eq!(xdp(&rooms[0].netns, DEVICE), Some(NATIVE));
    let Passed { wire, .. } = exact(&rooms, &agent, BULK / 4);
    assert!(wire.buffers * 3 < wire.packets, "GRO merges: {wire:?}");
    let (frames, buffers) = (wire.packets, wire.buffers);
    println!("netpath-fact: native XDP at veth = {frames} frames in {buffers} buffers, exact");
}

#[test]
fn the_first_frame_of_a_merged_buffer_waits_for_the_others() {
    let test = "xdp::the_first_frame_of_a_merged_buffer_waits_for_the_others";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("merged");
    let agent = started(&rooms[0], "native");
    let [here, there] = places(&rooms);
    let mean = || {
        let [before, after] = [0, 20 * BULK].map(|bytes| {
            let load = Bulk::new(there.clone(), here.clone(), Volume::Bytes(bytes));
            load.drive(&Stop::default()).expect("transfer");
            still(&agent).remove(0)
        });
        let [(count, sum), (more, total)] = [&before, &after].map(|wire| {
            let delay = wire.delay_ms.unwrap_or_default();
            (delay.count, delay.mean * number(delay.count))
        });
        assert!(more > count + 20, "{after:#?}");
        let passed = after.with(&before, |a, b| a - b);
        (
            (total - sum) / number(more - count),
            passed.packets / passed.buffers,
        )
    };
    let (alone, one) = mean();
    merge_received(&rooms[0].netns, DEVICE);
    let (merged, many) = mean();
    eprintln!("{alone} ms at {one} frames a buffer, {merged} ms at {many}");
    assert!(one == 1 && many > 10, "{one} and {many} frames a buffer");
    assert!(
        merged > 2.0 * alone && merged < 5.0,
        "{merged} ms, not {alone}"
    );
}

#[test]
fn anothers_program_stays_and_is_a_blind_spot_until_it_goes() {
    let test = "xdp::anothers_program_stays_and_is_a_blind_spot_until_it_goes";
    let Some(_turn) = turn(test) else { return };
    for mode in ["native", "generic"] {
        let rooms = rooms("other");
        let first = started(&rooms[0], "native");
        let theirs = holder(&rooms[0].netns).expect("a program");
        // Who holds a program does not notice that its device moves to another namespace.
        first.signal(Signal::SIGSTOP);
        let there = Room::new("there");
        rooms[0].ip(&[&format!("link set {DEVICE} netns {}", there.netns)]);
        there.ip(&[
            &format!("addr add 10.9.0.3/24 dev {DEVICE}"),
            &format!("link set {DEVICE} up"),
        ]);
        let second = Agent::start(&there.netns, "n2", &["--xdp", mode]);
        let occupied = |sweep: &Sweep| sweep.ledger.reason("not_attached", "xdp_occupied") == 1;
        let sweep = second.await_sweep("the blind spot", occupied);
        assert!(sweep.wires.is_empty(), "{sweep:?}");
        assert_eq!(holder(&there.netns), Some(theirs), "it stays");
        // A filter that is there by the agent's own name is taken for one of a killed agent.
        let tc = if has_tcx() { [2, 2] } else { [1, 1] };
        assert_eq!(attached(&there.netns, DEVICE), tc, "TC of both");
        let said = second.errors();
        let lines = said.lines().filter(|line| line.contains("xdp_occupied"));
        assert_eq!(lines.count(), 1, "once: {said}");
        first.end_by(Signal::SIGKILL);
        there.ip(&[&format!("link set {DEVICE} mtu 1400")]);
        let sweep = second.await_sweep("its wire", |sweep| !sweep.wires.is_empty());
        assert_eq!(sweep.wires[0].mode, mode);
        let freed = |sweep: &Sweep| sweep.ledger.get("not_attached") == 0;
        second.await_sweep("no blind spot", freed);
        assert_ne!(holder(&there.netns), Some(theirs));
        assert_eq!(second.end().status.code(), Some(0));
        assert_eq!(xdp(&there.netns, DEVICE), None, "gone with the agent");
    }
}

#[test]
fn generic_counts_what_the_stack_gets() {
    let test = "xdp::generic_counts_what_the_stack_gets";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("generic");
    let agent = started(&rooms[0], "generic");
    assert_eq!(xdp(&rooms[0].netns, DEVICE), Some(GENERIC));
    let [here, there] = places(&rooms);
    ping(&here, &there, PINGS);
    let wire = &still(&agent)[0];
    assert!(wire.packets >= PINGS.into(), "{wire:?}");
    assert_eq!(
        (wire.packets, wire.bytes),
        (wire.segments, wire.segment_bytes)
    );
    let load = Bulk::new(there, here, Volume::Bytes(BULK));
    load.drive(&Stop::default()).expect("transfer");
    let wire = &still(&agent)[0];
    assert_eq!(wire.packets, wire.buffers, "whole aggregates: {wire:?}");
    assert!(wire.segments > BULK / 1_500, "{wire:?}");
    assert!(
        wire.delay_ms
            .is_some_and(|delay| delay.count >= PINGS.into())
    );
}

#[test]
fn veth_pays_for_a_native_program_which_is_why_auto_leaves_it_alone() {
    const ROUNDS: usize = 5;
    const ROUND: Duration = Duration::from_millis(500);
    let test = "xdp::veth_pays_for_a_native_program_which_is_why_auto_leaves_it_alone";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("cost");
    let [here, there] = places(&rooms);
    let modes = ["off", "generic", "native"];
    let mut found = modes.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (mode, found) in modes.into_iter().zip(&mut found) {
            let agent = Agent::start(&rooms[0].netns, "n1", &["--xdp", mode]);
            agent.await_sweep("its wire", |sweep| {
                (mode == "off") == sweep.wires.is_empty()
            });
            let load = Bulk::new(there.clone(), here.clone(), Volume::Elapsed(ROUND));
            let report = load.drive(&Stop::default()).expect("transfer");
            found.push(report.bits_per_second / 1e9);
            assert_eq!(agent.end().status.code(), Some(0));
        }
    }
    for (mode, found) in modes.iter().zip(&mut found) {
        found.sort_by(f64::total_cmp);
        eprintln!("{mode}: {found:.2?} Gb/s");
    }
    let [off, _, native] = found.map(|found| found[ROUNDS / 2]);
    assert!(native < 0.8 * off, "{native} of {off} Gb/s: try veth again");
}

#[test]
fn auto_leaves_veth_alone_and_says_so() {
    let test = "xdp::auto_leaves_veth_alone_and_says_so";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("auto");
    let agent = Agent::start(&rooms[0].netns, "n1", &["--xdp", "auto"]);
    let untried = |sweep: &Sweep| sweep.ledger.reason("not_attached", "xdp_untried") == 1;
    let sweep = agent.await_sweep("the blind spot", untried);
    assert!(sweep.wires.is_empty(), "{sweep:?}");
    assert_eq!(xdp(&rooms[0].netns, DEVICE), None);
    assert_eq!(attached(&rooms[0].netns, DEVICE), [1, 1]);
    agent.next_sweep();
    let said = agent.errors();
    let lines: Vec<_> = said
        .lines()
        .filter(|line| line.contains("xdp_untried"))
        .collect();
    assert_eq!(lines.len(), 1, "once: {said}");
    assert!(
        lines[0].contains("(veth)") && lines[0].contains(DEVICE),
        "{said}"
    );
}

#[test]
fn without_the_setting_nothing_is_there_before_the_stack() {
    let test = "xdp::without_the_setting_nothing_is_there_before_the_stack";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("off");
    let agent = Agent::start(&rooms[0].netns, "n1", &[]);
    agent.await_attached();
    assert_eq!(xdp(&rooms[0].netns, DEVICE), None);
    let sweep = agent.next_sweep();
    assert!(sweep.wires.is_empty(), "{sweep:?}");
}

#[test]
fn a_device_made_anew_is_counted_again_and_a_killed_agent_leaves_nothing() {
    let test = "xdp::a_device_made_anew_is_counted_again_and_a_killed_agent_leaves_nothing";
    let Some(_turn) = turn(test) else { return };
    let rooms = rooms("anew");
    let agent = started(&rooms[0], "native");
    let [here, there] = places(&rooms);
    ping(&here, &there, PINGS);
    let before = still(&agent)[0].clone();
    rooms[0].ip(&[&format!("link del {DEVICE}")]);
    agent.await_sweep("its absence", |sweep| sweep.wires.is_empty());
    connect(&rooms);
    await_that("a program", || xdp(&rooms[0].netns, DEVICE) == Some(NATIVE));
    ping(&here, &there, PINGS);
    let after = still(&agent)[0].clone();
    assert!(
        after.packets >= before.packets + u64::from(PINGS),
        "{after:?} {before:?}"
    );
    let held = Holdings::of(agent.pid());
    agent.end_by(Signal::SIGKILL);
    // Filters hold their programs until the next start.
    let is_all = || !has_tcx() || held.left() == Default::default();
    await_that("the end of all", || {
        xdp(&rooms[0].netns, DEVICE).is_none() && is_all()
    });
    ping(&here, &there, PINGS);
}

fn ping(from: &Place, to: &Place, count: u32) {
    let report = Ping::new(from.clone(), to.address, count).drive(&Stop::default());
    assert_eq!(report.expect("ping").received, count);
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + patience();
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("few"))
}
