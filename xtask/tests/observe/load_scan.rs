//! A scan in which every packet is a flow of its own: steady flows keep their path, their class and
//! their round trips, and nothing passes uncounted.
//!
//! `NETPATH_SCAN_PACKETS` sets how many packets the scan has.

use std::env;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use observer_ebpf::abi::point::Point;
use xtask::lab::topology::BRIDGE;
use xtask::lab::{Lab, Options, Scenario};
use xtask::oracle::{Counter, Hook};
use xtask::traffic::scan::drop_unseen;
use xtask::traffic::{Load, PingPong, Place, Scan, Stop, Until};

use super::account::{Step, Watched, steps};
use super::agent::Agent;
use super::bench::{agents_on, lab, options, silence, turn, with_load};
use super::output::Sweep;

/// Overrides [`PACKETS`].
const SETTING: &str = "NETPATH_SCAN_PACKETS";
/// Far more new flows than the table holds, and far more than the insert budget lets in.
const PACKETS: u64 = 250_000;
/// Of the packets of a steady flow at least so many in a hundred are on its path.
const KEPT: u64 = 99;

#[test]
fn steady_flows_keep_path_and_round_trips_through_a_scan() {
    let test = "load_scan::steady_flows_keep_path_and_round_trips_through_a_scan";
    let Some(_turn) = turn(test) else { return };
    let packets = env::var(SETTING).map_or(PACKETS, |text| text.parse().expect("a number"));
    let lab = lab(Options {
        pods_per_node: 2,
        ..options(Scenario::H2, "scan")
    });
    silence(&lab);
    let [from, to] = [0, 1].map(|node| &lab.nodes()[node].pods[0]);
    let agents = agents_on(lab.nodes().iter().take(2), &[]);
    let pair = format!("ip saddr {} ip daddr {}", from.address, to.address);
    let netns = &lab.nodes()[0].netns;
    let steady = Counter::install(netns, BRIDGE, Hook::Ingress, &pair).expect("nft");
    let load = Load::PingPong(PingPong {
        think: Duration::from_millis(2),
        ..PingPong::new(
            from.into(),
            to.into(),
            Until::Elapsed(Duration::from_hours(1)),
        )
    });
    let watched = [0, 1].map(|place| Watched::new(&lab.nodes()[place], &agents[place]));
    let ends = [from.address, to.address];
    // The sweeps that lie whole in the scan, per agent.
    let mut swept = Vec::new();
    let counted = steps(&watched, || {
        with_load(&[load], || {
            for agent in &agents {
                agent.await_sweep("the steady pair", |sweep| samples(sweep, ends).is_some());
            }
            let count = || agents.iter().map(|agent| agent.sweeps().len());
            let begun: Vec<_> = count().collect();
            scan(&lab, packets);
            swept.extend(begun.into_iter().zip(count()));
        });
        // What is under way arrives.
        thread::sleep(Duration::from_millis(100));
    });
    let sent = steady.read().expect("nft").packets;
    for ((step, agent), (begun, over)) in counted.iter().zip(agents).zip(swept) {
        assert_counted(step, packets);
        assert_kept(agent, begun - 1..over, ends, sent);
    }
}

fn scan(lab: &Lab, packets: u64) {
    let [from, to] = [0, 1].map(|node| Place::from(&lab.nodes()[node].pods[1]));
    drop_unseen(&to.netns).expect("nft");
    let scan = Scan::new(from, vec![to.ipv4().expect("IPv4")], packets);
    let report = scan.drive(&Stop::default()).expect("datagrams");
    eprintln!("scan: {report:?}");
    assert_eq!(report.sent, packets);
}

/// All that passed is in the rows, the scan among it.
fn assert_counted(step: &Step, packets: u64) {
    step.assert_adds_up(Point::Underlay0);
    let found = step.pods(Point::Bridge).buffers;
    assert!(found > packets * 9 / 10, "{found} of {packets}");
}

/// Every sweep of the scan has the pair with its class and with new round trips at all points.
fn assert_kept(agent: Agent, swept: Range<usize>, ends: [std::net::Ipv4Addr; 2], sent: u64) {
    let node = agent.node().to_owned();
    let ended = agent.end();
    let last = ended.last();
    assert!(last.ledger.get("flow_refused_budget") > 0, "no storm");
    let scanned = &ended.sweeps[swept];
    assert!(scanned.len() > 2, "{node}: {} sweeps", scanned.len());
    for (before, after) in scanned.iter().zip(&scanned[1..]) {
        let [before, after] = [before, after].map(|sweep| samples(sweep, ends));
        let (Some(before), Some(after)) = (before, after) else {
            panic!("{node}: the pair is gone, or has no round trips at some point");
        };
        for (point, (old, new)) in POINTS.iter().zip(before.iter().zip(&after)) {
            assert!(new > old, "{node}: no new round trip at {point}: {old}");
        }
    }
    for sweep in scanned {
        let path = sweep.path(ends[0], ends[1]).expect("the pair");
        assert_eq!(path.class.as_deref(), Some("vxlan-vmnet"), "{node}");
    }
    let path = last.path(ends[0], ends[1]).expect("the pair");
    eprintln!("{node}: {} of {sent} packets on the path", path.packets);
    assert!(path.packets <= sent, "{node}: {path:?} of {sent}");
    assert!(
        path.packets * 100 >= sent * KEPT,
        "{node}: {path:?} of {sent}"
    );
}

const POINTS: [&str; 4] = ["pod", "bridge", "overlay", "underlay"];

/// Round trips of the pair per point; none if one is missing.
fn samples(sweep: &Sweep, [from, to]: [std::net::Ipv4Addr; 2]) -> Option<Vec<u64>> {
    let path = sweep.path(from, to)?;
    let count = |point: &&str| path.rtt(point).map(|rtt| rtt.count);
    POINTS.iter().map(count).collect()
}
