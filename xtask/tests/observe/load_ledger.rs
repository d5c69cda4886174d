//! Nothing passes uncounted either when there is no room: not with a flow table that is full all the
//! time, and not with an event ring that nobody reads.

use std::fs;

use nix::sys::signal::Signal;
use observer_ebpf::abi::point::Point;
use xtask::lab::{Lab, Scenario};
use xtask::traffic::scan::drop_unseen;
use xtask::traffic::{Place, Scan, Stop};

use super::account::{Step, Watched, steps};
use super::agent::Agent;
use super::bench::{agents_on, lab, options, silence, turn};
use super::kernel::Sum;

/// New flows for a table of 1,024 entries, and for a ring of 46 records.
const FLOWS_OF_TABLE: u64 = 40_000;
const FLOWS_OF_RING: u64 = 6_000;
/// UDP payload, and the L3 packet around it, bytes.
const SIZE: usize = 18;
const LENGTH: u64 = 28 + 18;

#[test]
fn rows_add_up_with_a_flow_table_that_is_full() {
    let Some(_turn) = turn("load_ledger::rows_add_up_with_a_flow_table_that_is_full") else {
        return;
    };
    let lab = quiet_lab("full");
    // The smallest table: a quarter of a second of the insert budget.
    let agents = start(&lab, "flow_entries = 1024\n");
    let counted = scan(&lab, &agents, FLOWS_OF_TABLE, 20_000);
    for (step, agent) in counted.iter().zip(agents) {
        assert_exact(step, FLOWS_OF_TABLE);
        let ended = agent.end();
        let ledger = &ended.last().ledger;
        for loss in ["flow_evicted", "flow_refused_budget"] {
            assert!(ledger.get(loss) > FLOWS_OF_TABLE / 40, "{loss}: {ledger:?}");
        }
        let (inserted, evicted) = (ledger.get("flow_inserted"), ledger.get("flow_evicted"));
        assert!(inserted - evicted <= 1_024, "{ledger:?}");
    }
}

#[test]
fn rows_add_up_with_a_ring_that_nobody_reads() {
    let Some(_turn) = turn("load_ledger::rows_add_up_with_a_ring_that_nobody_reads") else {
        return;
    };
    let lab = quiet_lab("ring");
    // The smallest ring where a page has 4,096 bytes: 46 records.
    let agents = start(&lab, "ring_bytes = 4096\n");
    for agent in &agents {
        agent.signal(Signal::SIGSTOP);
    }
    let counted = scan(&lab, &agents, FLOWS_OF_RING, 4_000);
    for (step, agent) in counted.iter().zip(agents) {
        assert_exact(step, FLOWS_OF_RING);
        agent.signal(Signal::SIGCONT);
        let ended = agent.end();
        let ledger = &ended.last().ledger;
        assert!(ledger.get("ring_full") > 500, "{ledger:?}");
        // What the ring lost the sweep finds in the flow table.
        let [from, to] = ends(&lab);
        let line = ended.last().path(from.address, to.address);
        let named = line.map_or(0, |line| line.packets);
        assert_eq!(
            named + ended.last().collected("unknown"),
            FLOWS_OF_RING,
            "{line:?}"
        );
    }
}

/// Both ends' pods drop what is sent, so that the sum is that of one direction.
fn quiet_lab(purpose: &str) -> Lab {
    let lab = lab(options(Scenario::H2, purpose));
    silence(&lab);
    for end in ends(&lab) {
        drop_unseen(&end.netns).expect("nft");
    }
    lab
}

fn ends(lab: &Lab) -> [Place; 2] {
    [0, 1].map(|node| Place::from(&lab.nodes()[node].pods[0]))
}

fn start(lab: &Lab, settings: &str) -> Vec<Agent> {
    let path = lab.directory().join("observer.toml");
    fs::write(&path, settings).expect("settings");
    let path = path.to_str().expect("UTF-8");
    agents_on(lab.nodes().iter().take(2), &["--config", path])
}

/// What both nodes counted of so many flows of one packet each.
fn scan(lab: &Lab, agents: &[Agent], flows: u64, rate: u32) -> [Step; 2] {
    let watched = [0, 1].map(|place| Watched::new(&lab.nodes()[place], &agents[place]));
    let [from, to] = ends(lab);
    let scan = Scan {
        rate,
        size: SIZE,
        ..Scan::new(from, vec![to.ipv4().expect("IPv4")], flows)
    };
    steps(&watched, || {
        let report = scan.drive(&Stop::default()).expect("datagrams");
        assert_eq!(report.sent, flows);
    })
}

/// The generator's packets, nft's and the sum of all rows are one number at every point.
fn assert_exact(step: &Step, packets: u64) {
    step.assert_adds_up(Point::Underlay0);
    let wanted = Sum {
        buffers: packets,
        segments: packets,
        bytes: packets * LENGTH,
    };
    for point in [Point::Port, Point::Bridge, Point::Overlay, Point::Underlay0] {
        assert_eq!(step.pods(point), wanted, "{point:?}: {step:#?}");
    }
}
