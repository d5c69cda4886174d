//! A collector that freezes with its connections open: the agent goes on, its memory hardly grows,
//! and every span is received or counted.
//!
//! `NETPATH_FREEZE_SECONDS` sets for how long it freezes.

use std::env;
use std::fs;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use xtask::lab::{Scenario, netns};
use xtask::traffic::{Load, PingPong, Until};

use super::agent::{Agent, PATIENCE};
use super::bench::{agents_on, lab, options, turn, with_load};
use super::receiver::{Mood, Receiver};

/// Overrides [`FREEZE`].
const SETTING: &str = "NETPATH_FREEZE_SECONDS";
/// Longer than a request may take, which is ten seconds.
const FREEZE: u64 = 14;
/// How much the agent's resident memory may grow, bytes.
const GROWTH: u64 = 8 << 20;
/// Sweeps in a second.
const SWEEPS: u64 = 2;

#[test]
fn frozen_collector_costs_counted_spans_and_little_memory() {
    let test = "load_collector::frozen_collector_costs_counted_spans_and_little_memory";
    let Some(_turn) = turn(test) else { return };
    let freeze = env::var(SETTING).map_or(FREEZE, |text| text.parse().expect("seconds"));
    let lab = lab(options(Scenario::H2, "frozen"));
    let [from, to] = [0, 1].map(|node| &lab.nodes()[node].pods[0]);
    let node = &lab.nodes()[0];
    let start = || Receiver::start_at("127.0.0.1:0", Mood::Willing);
    let receiver = netns::within(&node.netns, start).expect("namespace");
    let endpoint = format!("http://{}", receiver.address);
    // Far more round trips than the hundred spans a second that may be sent.
    let arguments = ["--otlp", &endpoint, "--sample-one-in", "2"];
    let mut agents = agents_on([node].into_iter(), &arguments);
    let agent = agents.remove(0);
    let load = Load::PingPong(PingPong {
        think: Duration::from_millis(2),
        ..PingPong::new(
            from.into(),
            to.into(),
            Until::Elapsed(Duration::from_hours(1)),
        )
    });
    let grown = with_load(&[load], || {
        let received = |sweep: &super::output::Sweep| sweep.ledger.get("span_received") > 500;
        agent.await_sweep("spans received", received);
        let before = resident(&agent);
        let swept = agent.sweeps().len() as u64;
        // The receiver's one thread takes this lock at the next request, and waits.
        let frozen = receiver
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut peak = before;
        for _ in 0..freeze {
            thread::sleep(Duration::from_secs(1));
            peak = peak.max(resident(&agent));
        }
        let swept = agent.sweeps().len() as u64 - swept;
        assert!(
            swept >= freeze * SWEEPS * 9 / 10,
            "{swept} sweeps in {freeze} s"
        );
        let ledger = agent.next_sweep().ledger;
        let dropped =
            ledger.reason("span_dropped", "timeout") + ledger.reason("span_dropped", "queue_full");
        assert!(
            dropped > 0,
            "nothing was lost: it was not frozen: {ledger:?}"
        );
        let path = agent.next_sweep();
        let path = path.path(from.address, to.address).expect("the pair");
        assert!(path.packets > 0);
        drop(frozen);
        let received = ledger.get("span_received");
        let again = |sweep: &super::output::Sweep| sweep.ledger.get("span_received") > received;
        agent.await_sweep("spans received again", again);
        await_said(&agent, "telemetry is received again");
        eprintln!("resident: {before} before, {peak} at most while frozen for {freeze} s");
        peak - before
    });
    let ended = agent.end();
    let ledger = &ended.last().ledger;
    assert!(grown <= GROWTH, "{grown} bytes more");
    let (made, received) = (ledger.get("span_made"), ledger.get("span_received"));
    assert_eq!(made, received + ledger.get("span_dropped"), "{ledger:?}");
    // The receiver keeps what it was sent before the freeze ended in a request that timed out here.
    let late = ledger.reason("span_dropped", "timeout");
    let arrived = receiver.spans();
    assert!((received..=received + late).contains(&arrived), "{arrived}");
    assert!(ended.errors.contains("telemetry is lost, and counted"));
}

/// Waits until the agent has said this on standard error.
fn await_said(agent: &Agent, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !agent.errors().contains(what) {
        assert!(Instant::now() < deadline, "{what}? {}", agent.errors());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Resident memory, bytes.
fn resident(agent: &Agent) -> u64 {
    let path = format!("/proc/{}/status", agent.pid());
    let text = fs::read_to_string(&path).expect("a living process");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.expect("a size") * 1024
}
