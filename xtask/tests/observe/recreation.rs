//! Devices that are made anew, renamed or flap: counted again within a second, and from then on as
//! exactly as nftables counts.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use observer_ebpf::abi::point::Point;
use xtask::lab::topology::{BRIDGE, TUNNEL, TUNNEL_MTU, VXLAN};
use xtask::lab::{ChildGuard, Lab, Node, Pod, Scenario, netns};
use xtask::oracle::link;
use xtask::traffic::datagrams::Answer;
use xtask::traffic::{Datagrams, Fragmenting, Stop};

use super::account::{Watched, steps};
use super::agent::{Agent, PATIENCE};
use super::bench::{agents_on, lab, options, silence, turn};
use super::kernel::{Holdings, Maps, attached};

/// From a device that is up again to the first packet that is counted there.
const WITHIN: Duration = Duration::from_secs(1);
/// Between two datagrams of the trickle.
const GAP: Duration = Duration::from_millis(5);
const POLL: Duration = Duration::from_millis(5);

#[test]
fn overlay_and_tunnel_made_anew_count_within_a_second_and_exactly() {
    let Some(_turn) =
        turn("recreation::overlay_and_tunnel_made_anew_count_within_a_second_and_exactly")
    else {
        return;
    };
    let lab = lab(options(Scenario::S1, "anew"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let agent = agents_on([node].into_iter(), &[]).remove(0);
    let maps = Maps::of(agent.pid());
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let mut tunnel = None;
    for _ in 0..2 {
        let numbers = || [TUNNEL, VXLAN].map(|device| ifindex(node, device));
        let before = numbers();
        let made = with_trickle(from, to, || {
            drop(tunnel.take());
            end_tunnel(&lab, node);
            // flannel.1 was created on it: the kernel takes both.
            await_that("both are gone", || numbers() == [None, None]);
            let guard = make_tunnel(&lab, node);
            let tunnel_up = Instant::now();
            make_overlay(&lab, node);
            let overlay_up = Instant::now();
            let base = maps.read().pods;
            for (point, up) in [(Point::Overlay, overlay_up), (Point::Tunnel, tunnel_up)] {
                let counts = || maps.read().pods[point as usize].buffers;
                await_that("packets", || counts() > base[point as usize].buffers);
                let took = up.elapsed();
                eprintln!("{point:?} counts {took:?} after it is up");
                assert!(
                    took < WITHIN,
                    "{point:?} counts after {took:?}: {}",
                    agent.errors()
                );
            }
            guard
        });
        tunnel = Some(made);
        let after = numbers();
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(old, new)| old != new && new.is_some())
        );
        for device in [TUNNEL, VXLAN] {
            assert_eq!(attached(&node.netns, device), [1, 1], "{device}");
        }
        assert_exact(node, &agent, Point::Tunnel, || send(from, to));
    }
    let sweep = agent.next_sweep();
    assert_eq!(sweep.ledger.get("not_attached"), 0, "{sweep:?}");
}

#[test]
fn renamed_underlay_stays_attached_and_a_tunnel_follows_its_name() {
    let Some(_turn) =
        turn("recreation::renamed_underlay_stays_attached_and_a_tunnel_follows_its_name")
    else {
        return;
    };
    let lab = lab(options(Scenario::H2, "name"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let agent = agents_on([node].into_iter(), &[]).remove(0);
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let maps = Maps::of(agent.pid());
    let held = Holdings::of(agent.pid());
    ip(node, "link set lima0 name lima7");
    send(from, to);
    let sweep = agent.next_sweep();
    assert_eq!(sweep.ledger.get("not_attached"), 0, "{sweep:?}");
    assert_eq!(
        Holdings::of(agent.pid()).links,
        held.links,
        "no packet is missed"
    );
    assert_eq!(attached(&node.netns, "lima7"), [1, 1]);
    let before = maps.read().pods[Point::Underlay0 as usize].buffers;
    send(from, to);
    let counted = maps.read().pods[Point::Underlay0 as usize].buffers - before;
    assert_eq!(counted, u64::from(DATAGRAMS));
    for (line, wanted, device) in [
        ("link set tailscale0 name spare0", [0, 0], "spare0"),
        ("link set spare0 name tailscale0", [1, 1], TUNNEL),
    ] {
        ip(node, line);
        let begun = Instant::now();
        await_that(line, || attached(&node.netns, device) == wanted);
        assert!(
            begun.elapsed() < WITHIN,
            "{line} took {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn link_that_flaps_fifty_times_in_ten_seconds_loses_nothing_for_good() {
    let Some(_turn) =
        turn("recreation::link_that_flaps_fifty_times_in_ten_seconds_loses_nothing_for_good")
    else {
        return;
    };
    let lab = lab(options(Scenario::H2, "flap"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let mut agent = agents_on([node].into_iter(), &[]).remove(0);
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let before = (Holdings::of(agent.pid()), agent.errors());
    with_trickle(from, to, || {
        for _ in 0..50 {
            ip(node, &format!("link set {BRIDGE} down"));
            thread::sleep(Duration::from_millis(100));
            ip(node, &format!("link set {BRIDGE} up"));
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(agent.is_alive(), "{}", agent.errors());
    let maps = Maps::of(agent.pid());
    let base = maps.read().pods[Point::Bridge as usize].buffers;
    let up = Instant::now();
    with_trickle(from, to, || {
        await_that("packets", || {
            maps.read().pods[Point::Bridge as usize].buffers > base
        });
    });
    assert!(up.elapsed() < WITHIN, "{:?}", up.elapsed());
    assert_eq!(attached(&node.netns, BRIDGE), [1, 1]);
    let after = Holdings::of(agent.pid());
    assert_eq!(after.programs, before.0.programs);
    assert_eq!(after.links.len(), before.0.links.len());
    assert_eq!(agent.errors(), before.1, "nothing worth a line");
    assert_exact(node, &agent, Point::Underlay0, || send(from, to));
}

const DATAGRAMS: u32 = 200;

/// An exact number of datagrams.
fn send(from: &Pod, to: &Pod) {
    let load = Datagrams {
        client: from.into(),
        server: to.into(),
        port: 0,
        count: DATAGRAMS,
        size: 300,
        gap: Duration::from_millis(1),
        answer: Answer::None,
        fragmenting: Fragmenting::Refused,
    };
    let report = load.drive(&Stop::default()).expect("datagrams");
    assert_eq!(report.received, DATAGRAMS);
}

/// While `work` runs, every count of the agent is that of nftables at the same hook.
fn assert_exact(node: &Node, agent: &Agent, carries_vxlan: Point, work: impl FnOnce()) {
    let watched = [Watched::new(node, agent)];
    let [step] = steps(&watched, work);
    step.assert_adds_up(carries_vxlan);
    for point in [Point::Port, Point::Bridge, Point::Overlay, carries_vxlan] {
        assert!(
            step.pods(point).buffers >= DATAGRAMS.into(),
            "{point:?}: {step:#?}"
        );
    }
}

/// Datagrams from pod to pod while `work` runs, whatever becomes of them.
fn with_trickle<T>(from: &Pod, to: &Pod, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let open = || UdpSocket::bind("0.0.0.0:0");
    let socket = netns::within(&from.netns, open)
        .expect("namespace")
        .expect("socket");
    thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // No road, no answer, a refusal: all that is to be expected here.
                drop(socket.send_to(b"trickle", (to.address, 9)));
                thread::sleep(GAP);
            }
        });
        work()
    })
}

/// Sets the flag when dropped, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends the lab's own process that carries the node's tunnel, if it still runs.
fn end_tunnel(lab: &Lab, node: &Node) {
    let name = format!("wireguard-{}", node.name);
    let status = lab.status();
    let process = status
        .processes
        .iter()
        .find(|process| process.process.what == name);
    let process = process.expect("a process carries the tunnel");
    process.process.end(PATIENCE);
}

/// Starts such a process again and does what tailscaled does to its device.
fn make_tunnel(lab: &Lab, node: &Node) -> ChildGuard {
    let folder = lab.directory();
    let config = folder.join(format!("wireguard-{}.json", node.name));
    let config = config.to_str().expect("UTF-8");
    let argv = [env!("CARGO_BIN_EXE_xtask"), "wireguard", "--config", config];
    let log = folder.join(format!("wireguard-{}-again.log", node.name));
    let guard = lab.spawn(&node.name, &argv, &log).expect("tunnel");
    let deadline = Instant::now() + PATIENCE;
    while ifindex(node, TUNNEL).is_none() {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(Instant::now() < deadline, "no tunnel: {said}");
        thread::sleep(POLL);
    }
    for peer in &node.roads {
        let peer = lab.topology().node(&peer.to).expect("a node");
        let address = peer.tailnet.address;
        ip(node, &format!("link set {TUNNEL} mtu {TUNNEL_MTU} up"));
        ip(
            node,
            &format!("route replace {address}/32 dev {TUNNEL} table 52"),
        );
    }
    ip(
        node,
        &format!("addr add {}/32 dev {TUNNEL}", node.tailnet.address),
    );
    guard
}

/// Makes flannel.1 anew, as flannel does; up at the end.
fn make_overlay(lab: &Lab, node: &Node) {
    let Node {
        vtep_mac,
        pod_mtu,
        flannel_device,
        pod_network,
        ..
    } = node;
    let local = if node.flannel_local {
        format!(" local {}", node.vtep)
    } else {
        String::new()
    };
    let made = format!(
        "link add {VXLAN} address {vtep_mac} mtu {pod_mtu} type vxlan id 1 dev \
         {flannel_device}{local} dstport 8472 nolearning"
    );
    ip(node, &made);
    ip(node, &format!("addr add {pod_network}/32 dev {VXLAN}"));
    ip(node, &format!("link set {VXLAN} up"));
    for road in &node.roads {
        let peer = lab.topology().node(&road.to).expect("a node");
        let (network, mac) = (peer.pod_network, &peer.vtep_mac);
        let entry = format!(
            "fdb replace {mac} dev {VXLAN} dst {} self permanent",
            road.vtep
        );
        run(node, "bridge", &entry);
        let neighbour = format!("neigh replace {network} lladdr {mac} dev {VXLAN} nud permanent");
        ip(node, &neighbour);
        let cidr = peer.pod_cidr();
        ip(
            node,
            &format!("route replace {cidr} via {network} dev {VXLAN} onlink"),
        );
    }
}

fn ifindex(node: &Node, device: &str) -> Option<u32> {
    let found = link::find(&node.netns, device).expect("devices");
    found.map(|link| link.ifindex)
}

/// Runs `ip` in the node.
fn ip(node: &Node, line: &str) {
    run(node, "ip", line);
}

fn run(node: &Node, tool: &str, line: &str) {
    let argv: Vec<&str> = [tool].into_iter().chain(line.split(' ')).collect();
    let status = netns::command(&node.netns, &argv).status().expect("ip");
    assert!(status.success(), "{line}: {status}");
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no sign of {what}");
        thread::sleep(POLL);
    }
}
