//! Devices that are made anew, renamed or flap: counted again within a second, and from then on as
//! exactly as nftables counts.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use observer_ebpf::abi::point::Point;
use xtask::lab::topology::{BRIDGE, TUNNEL, VXLAN};
use xtask::lab::{Flaps, Node, Pod, Scenario, netns};
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
/// Datagrams that are counted exactly.
const DATAGRAMS: u32 = 200;
/// The flapping that an agent has to bear.
const FLAPS: Flaps = Flaps {
    times: 50,
    within: Duration::from_secs(10),
};

#[test]
fn overlay_and_tunnel_made_anew_count_within_a_second_and_exactly() {
    let test = "recreation::overlay_and_tunnel_made_anew_count_within_a_second_and_exactly";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::S1, "anew"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let agent = agents_on([node].into_iter(), &[]).remove(0);
    let maps = Maps::of(agent.pid());
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let [tunnel, overlay] = [(TUNNEL, Point::Tunnel), (VXLAN, Point::Overlay)];
    // With tailscale0 goes flannel.1, which is bound to it.
    for gone in [&[tunnel, overlay][..], &[overlay], &[tunnel, overlay]] {
        let numbers = || gone.iter().map(|(device, _)| ifindex(node, device));
        let before: Vec<_> = numbers().collect();
        with_trickle(from, to, || {
            let (first, _) = gone[0];
            lab.remove_device(&node.name, first).expect("it goes");
            await_that("both are gone", || numbers().all(|number| number.is_none()));
            let made = |(device, point): &(&str, Point)| {
                lab.restore_device(&node.name, device).expect("it comes");
                let (up, base) = (Instant::now(), maps.read().pods[*point as usize]);
                (*point, up, base.buffers)
            };
            let made: Vec<_> = gone.iter().map(made).collect();
            for (point, up, base) in made {
                await_that("packets", || {
                    maps.read().pods[point as usize].buffers > base
                });
                let took = up.elapsed();
                eprintln!("{point:?} counts {took:?} after it is up");
                assert!(took < WITHIN, "{point:?}: {took:?}: {}", agent.errors());
            }
        });
        let is_another = |(old, new): (&Option<u32>, Option<u32>)| new.is_some() && *old != new;
        assert!(before.iter().zip(numbers()).all(is_another));
        for (device, _) in gone {
            assert_eq!(attached(&node.netns, device), [1, 1], "{device}");
        }
        assert_exact(node, &agent, Point::Tunnel, || send(from, to));
    }
    let sweep = agent.next_sweep();
    assert_eq!(sweep.ledger.get("not_attached"), 0, "{sweep:?}");
}

#[test]
fn renamed_underlay_stays_attached_and_a_tunnel_follows_its_name() {
    let test = "recreation::renamed_underlay_stays_attached_and_a_tunnel_follows_its_name";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "name"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let agent = agents_on([node].into_iter(), &[]).remove(0);
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let maps = Maps::of(agent.pid());
    let held = Holdings::of(agent.pid());
    let rename = |from, to| {
        lab.rename_device(&node.name, from, to).expect("a new name");
    };
    rename("lima0", "lima7");
    // Its road is looked up anew.
    let sweep = agent.next_sweep();
    assert_eq!(sweep.ledger.get("not_attached"), 0, "{sweep:?}");
    let still = Holdings::of(agent.pid());
    assert_eq!(still.links, held.links, "no packet is missed");
    assert_eq!(attached(&node.netns, "lima7"), [1, 1]);
    let underlays = || -> u64 {
        let all = maps.read().pods;
        all[5..8].iter().map(|sum| sum.buffers).sum()
    };
    let before = underlays();
    send(from, to);
    assert_eq!(underlays() - before, u64::from(DATAGRAMS));
    for (from, to, wanted) in [(TUNNEL, "spare0", [0, 0]), ("spare0", TUNNEL, [1, 1])] {
        rename(from, to);
        let begun = Instant::now();
        await_that(to, || attached(&node.netns, to) == wanted);
        assert!(begun.elapsed() < WITHIN, "{to}: {:?}", begun.elapsed());
    }
}

#[test]
fn device_that_flaps_fifty_times_in_ten_seconds_loses_nothing_for_good() {
    let test = "recreation::device_that_flaps_fifty_times_in_ten_seconds_loses_nothing_for_good";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "flap"));
    silence(&lab);
    let node = &lab.nodes()[0];
    let mut agent = agents_on([node].into_iter(), &[]).remove(0);
    let [from, to] = [0, 1].map(|place| &lab.nodes()[place].pods[0]);
    let (held, said) = (Holdings::of(agent.pid()), agent.errors());
    let maps = Maps::of(agent.pid());
    for (device, point) in [(BRIDGE, Point::Bridge), (VXLAN, Point::Overlay)] {
        let counts = || maps.read().pods[point as usize].buffers;
        with_trickle(from, to, || {
            lab.flap_device(&node.name, device, FLAPS).expect("flaps");
            let (up, base) = (Instant::now(), counts());
            await_that("packets", || counts() > base);
            assert!(up.elapsed() < WITHIN, "{device}: {:?}", up.elapsed());
        });
        assert!(agent.is_alive(), "{}", agent.errors());
        assert_eq!(attached(&node.netns, device), [1, 1], "{device}");
        let after = Holdings::of(agent.pid());
        assert_eq!(after.programs, held.programs);
        assert_eq!(after.links.len(), held.links.len());
        assert_eq!(agent.errors(), said, "nothing worth a line");
        assert_exact(node, &agent, Point::Underlay0, || send(from, to));
    }
}

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
        let counted = step.pods(point).buffers;
        assert!(counted >= DATAGRAMS.into(), "{point:?}: {step:#?}");
    }
}

/// Datagrams from pod to pod while `work` runs, whatever becomes of them.
fn with_trickle<T>(from: &Pod, to: &Pod, work: impl FnOnce() -> T) -> T {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    let open = || UdpSocket::bind("0.0.0.0:0");
    let socket = netns::within(&from.netns, open);
    let socket = socket.expect("namespace").expect("socket");
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

fn ifindex(node: &Node, device: &str) -> Option<u32> {
    let found = link::find(&node.netns, device).expect("devices");
    found.map(|link| link.ifindex)
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no sign of {what}");
        thread::sleep(POLL);
    }
}
