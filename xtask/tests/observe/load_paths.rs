//! More pairs than there are path numbers: those that find none are counted on the refused path,
//! exactly, and the agent says so.

use std::net::Ipv4Addr;

use observer_ebpf::abi::point::Point;
use observer_ebpf::abi::{FIRST_PATH, PATH_REFUSED, PATH_UNKNOWN, PATHS};
use xtask::lab::{Lab, Options, Scenario};
use xtask::traffic::scan::drop_unseen;
use xtask::traffic::{Place, Scan, Stop};

use super::account::Watched;
use super::bench::{agents_on, lab, options, silence, turn};
use super::output::Sweep;

const SOURCES: u8 = 100;
const NUMBERS: u64 = (PATHS - FIRST_PATH) as u64;
/// Packets of each pair at a time.
const ROUNDS: u64 = 5;

#[test]
fn pairs_beyond_the_last_number_count_as_refused_and_are_said() {
    let test = "load_paths::pairs_beyond_the_last_number_count_as_refused_and_are_said";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(Options {
        pods_per_node: 4,
        ..options(Scenario::H2, "pairs")
    });
    silence(&lab);
    let scan = scan_of_pairs(&lab);
    let pairs = u64::from(SOURCES) * scan.targets.len() as u64;
    let refused = pairs - NUMBERS;
    let node = &lab.nodes()[0];
    let mut agents = agents_on([node].into_iter(), &[]);
    let agent = &agents[0];
    // Twice: a pair is named some time after its first packet.
    let round = || {
        let report = scan.drive(&Stop::default()).expect("datagrams");
        assert_eq!(report.sent, pairs * ROUNDS);
    };
    round();
    agent.await_sweep("all pairs named or refused", |sweep| {
        sweep.ledger.reason("unattributed", "paths_full") == refused
    });
    round();
    let watched = Watched::new(node, agent);
    let step = watched.step(round);
    step.assert_adds_up(Point::Underlay0);
    let counted = |path| step.counted.on_path(path, Point::Bridge);
    let found = [PATH_UNKNOWN, PATH_REFUSED].map(counted);
    assert_eq!(found, [0, refused * ROUNDS]);
    assert_eq!(step.pods(Point::Bridge).buffers, pairs * ROUNDS);
    let ended = agents.remove(0).end();
    let last = ended.last();
    assert_eq!(named(last), NUMBERS);
    let own = last
        .paths
        .iter()
        .filter(|path| path.source.address.is_some());
    let own: u64 = own.map(|path| path.packets).sum();
    let all = own + last.collected("unknown");
    assert_eq!(all, 3 * pairs * ROUNDS, "all lines of pods");
    let said = ended.errors.lines().filter(|line| line.contains("WARN"));
    let said = said.filter(|line| line.contains("path numbers")).count();
    assert_eq!(said, 1, "{}", ended.errors);
}

/// From addresses of the first node's network to all pods of the others, which do not answer.
fn scan_of_pairs(lab: &Lab) -> Scan {
    let others = lab.nodes().iter().skip(1);
    let pods: Vec<_> = others.flat_map(|node| &node.pods).collect();
    for pod in &pods {
        drop_unseen(&pod.netns).expect("nft");
    }
    let client = Place::from(&lab.nodes()[0].pods[0]);
    let [a, b, c, _] = client.ipv4().expect("IPv4").octets();
    Scan {
        sources: (100..100 + SOURCES)
            .map(|last| Ipv4Addr::new(a, b, c, last))
            .collect(),
        ports: 1,
        rate: 5_000,
        count: u64::from(SOURCES) * pods.len() as u64 * ROUNDS,
        ..Scan::new(client, pods.iter().map(|pod| pod.address).collect(), 0)
    }
}

fn named(sweep: &Sweep) -> u64 {
    let lines = sweep.paths.iter();
    lines.filter(|path| path.source.address.is_some()).count() as u64
}
