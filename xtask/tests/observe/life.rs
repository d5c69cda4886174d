//! The life of an agent: alone in its namespace, at home among devices that come late or never, and
//! gone without a trace.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use xtask::lab::topology::{BRIDGE, TUNNEL, VXLAN};
use xtask::lab::{Node, Scenario};
use xtask::traffic::{PingPong, Stop, Until};

use super::agent::{Agent, PATIENCE};
use super::bad_input::{Room, run};
use super::bench::{agents, agents_on, lab, options, turn};
use super::kernel::{Holdings, attached};

#[test]
fn second_agent_of_a_namespace_is_refused_in_one_line() {
    let Some(_turn) = turn("life::second_agent_of_a_namespace_is_refused_in_one_line") else {
        return;
    };
    let room = Room::new("two");
    let mut first = Agent::start(&room.netns, "n1", &[]);
    first.await_attached();
    let second = run(&room, &["run", "--format", "json", "--for", "1s"]);
    assert_eq!(second.code, Some(5), "{second:?}");
    assert_eq!(second.errors.lines().count(), 1, "{second:?}");
    assert!(second.errors.contains("another observer"), "{second:?}");
    assert!(first.is_alive());
    drop(first);
    let next = run(&room, &["run", "--format", "json", "--for", "1s"]);
    assert_eq!(next.code, Some(0), "the name is free again: {next:?}");
}

#[test]
fn every_ending_detaches_everything() {
    let Some(_turn) = turn("life::every_ending_detaches_everything") else {
        return;
    };
    let lab = lab(options(Scenario::S1, "end"));
    let mut signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL];
    fastrand::shuffle(&mut signals);
    let agents = agents(&lab, &[]);
    for ((agent, node), signal) in agents.into_iter().zip(lab.nodes()).zip(signals) {
        let devices = devices(node);
        for device in &devices {
            assert_eq!(
                attached(&node.netns, device),
                [1, 1],
                "{device} of {}",
                node.name
            );
        }
        let held = Holdings::of(agent.pid());
        assert!(held.links.len() >= 2 * devices.len(), "{held:?}");
        let ended = agent.end_by(signal);
        let code = (signal != Signal::SIGKILL).then_some(0);
        assert_eq!(ended.status.code(), code, "{signal}: {}", ended.errors);
        // The kernel frees a program some time after its last user.
        let deadline = Instant::now() + PATIENCE;
        while held.left() != Default::default() {
            assert!(
                Instant::now() < deadline,
                "{signal} leaves {:?}",
                held.left()
            );
            thread::sleep(Duration::from_millis(20));
        }
        for device in &devices {
            assert_eq!(
                attached(&node.netns, device),
                [0, 0],
                "{device} after {signal}"
            );
        }
    }
}

#[test]
fn agent_without_devices_lives_and_says_so() {
    let Some(_turn) = turn("life::agent_without_devices_lives_and_says_so") else {
        return;
    };
    let room = Room::new("none");
    room.ip(&[
        "link add spare0 type veth peer name spare1",
        "link set spare0 up",
    ]);
    let mut agent = Agent::start(&room.netns, "n1", &[]);
    agent.await_attached();
    let sweep = agent.next_sweep();
    assert!(sweep.paths.is_empty(), "{sweep:?}");
    assert!(agent.is_alive());
    let said = agent.errors();
    let says_so = |line: &&str| line.contains("WARN") && line.contains("no device");
    assert_eq!(said.lines().filter(says_so).count(), 1, "once: {said}");
    assert_eq!(agent.end().status.code(), Some(0));
}

#[test]
fn devices_that_come_late_are_attached_within_two_seconds() {
    let Some(_turn) = turn("life::devices_that_come_late_are_attached_within_two_seconds") else {
        return;
    };
    let room = Room::new("late");
    // No sweep falls into the time: the devices alone wake the agent.
    let agent = Agent::start(&room.netns, "n1", &["--interval", "60s"]);
    let deadline = Instant::now() + PATIENCE;
    while Holdings::of(agent.pid()).maps.is_empty() {
        assert!(Instant::now() < deadline, "{}", agent.errors());
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(500));
    let vxlan = format!("link add {VXLAN} type vxlan id 1 dstport 8472 local 192.0.2.1 nolearning");
    for (device, lines) in [
        (BRIDGE, ["link add cni0 type bridge", "link set cni0 up"]),
        (VXLAN, [vxlan.as_str(), "link set flannel.1 up"]),
    ] {
        room.ip(&lines);
        let begun = Instant::now();
        while attached(&room.netns, device) != [1, 1] {
            assert!(begun.elapsed() < PATIENCE, "{device}: {}", agent.errors());
            thread::sleep(Duration::from_millis(5));
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(2), "{device} took {took:?}");
    }
}

#[test]
fn long_flow_is_attributed_from_its_first_hundredth_on() {
    let Some(_turn) = turn("life::long_flow_is_attributed_from_its_first_hundredth_on") else {
        return;
    };
    let lab = lab(options(Scenario::H2, "early"));
    let place = fastrand::usize(..3);
    let mut agents = agents_on(lab.nodes().iter().skip(place).take(1), &[]);
    let [from, to] = [place, (place + 1) % 3].map(|place| &lab.nodes()[place].pods[0]);
    PingPong::new(
        from.into(),
        to.into(),
        Until::Elapsed(Duration::from_secs(3)),
    )
    .drive(&Stop::default())
    .expect("exchange");
    let ended = agents.remove(0).end();
    let last = ended.last();
    let ends = [(from, to), (to, from)];
    let lines = ends.map(|(from, to)| last.path(from.address, to.address).expect("path"));
    let named: u64 = lines.iter().map(|line| line.packets).sum();
    let unknown = last.collected("unknown");
    assert!(named > 1000, "{lines:?}");
    assert!(
        unknown * 100 < named + unknown,
        "{unknown} unknown beside {named}"
    );
}

/// All devices of a node that play a role.
pub(crate) fn devices(node: &Node) -> Vec<&str> {
    let ports = node.pods.iter().map(|pod| pod.host_veth.as_str());
    let wires = node.devices.iter().map(|device| device.name.as_str());
    [BRIDGE, VXLAN, TUNNEL]
        .into_iter()
        .chain(ports)
        .chain(wires)
        .collect()
}
