//! The agent with ten thousand flows that each send in every sweep, its exporter on and round trips
//! arriving: memory and processor time by `/proc`, events by its own ledger.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::agent::{Agent, MIB};
use super::collector::{Collector, Ledger};
use super::row::{Better, Row};
use super::{Bench, BenchError, NODES};
use crate::traffic::scan::drop_unseen;
use crate::traffic::{Place, Scan, Stop, TrafficError};

/// Flows that the table must hold at the end, and those that the generator makes.
const FLOWS: u32 = 10_000;
const PORTS: u32 = 10_100;
/// Datagrams a second: each flow sends about twice in a sweep of five seconds.
const RATE: u32 = 4_000;
/// Longer than the flows need to get their entries, and the agent its first sweeps.
const SETTLE: Duration = Duration::from_secs(15);
/// The agent's default interval: a slice of the time holds one sweep.
const SLICE: Duration = Duration::from_secs(5);
/// Programs that a packet between the pods passes on one node.
const HOOKS: f64 = 4.0;

const RSS_BAR: f64 = 32.0;
const RSS_GOAL: f64 = 24.0;
const CPU_BAR: f64 = 0.5;
const CPU_GOAL: f64 = 0.2;
const TRIPS_BAR: f64 = 30.0;
/// Events: a second, and per million packets; the greater counts.
const EVENTS: f64 = 50.0;
const EVENTS_PER_MILLION: f64 = 100.0;

/// What was watched.
#[derive(Default)]
struct Watched {
    /// Per slice: resident memory in MiB, share of a core in percent.
    memory: Vec<f64>,
    share: Vec<f64>,
    /// Per slice: wake-ups a second.
    wakeups: Vec<f64>,
    seconds: f64,
    /// Per slice: round trips that arrived.
    traces: Vec<u32>,
    /// The agent's ledger in each export of metrics.
    last: Vec<Ledger>,
}

/// Memory, processor time, events and round trips of one agent with its default settings.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let watched = watch(bench)?;
    let exports = watched.last.iter().zip(watched.last.iter().skip(1));
    let (mut events, mut packets) = (Vec::new(), Vec::new());
    for (before, after) in exports {
        let kinds = ["ring_events", "ring_full", "round_trip_ring_full"];
        events.push(kinds.iter().map(|kind| after.rate(before, kind)).sum());
        packets.push(after.rate(before, "frames") / HOOKS);
    }
    let slice = SLICE.as_secs_f64();
    let trips: Vec<_> = watched
        .traces
        .iter()
        .map(|&traces| f64::from(traces) * 60.0 / slice)
        .collect();
    let held = watched.last.last().map_or(0, |ledger| {
        ledger.get("flow_inserted") - ledger.get("flow_evicted")
    });
    if held < FLOWS.into() {
        return Err(BenchError::Unexpected {
            action: "count the flows of the table".to_owned(),
            found: held.to_string(),
            expected: format!("at least {FLOWS}"),
        });
    }
    let against = format!(
        "{held} flows, each busy in every sweep, exporter on, {:.0} s",
        watched.seconds
    );
    let per_second = packets.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let most = EVENTS.max(EVENTS_PER_MILLION * per_second / 1e6);
    Ok(vec![
        Row::of("load_rss", "MiB", &against, &watched.memory).with_bar(
            Better::Lower,
            RSS_BAR,
            RSS_GOAL,
            &watched.memory,
        ),
        Row::of("load_cpu", "% of a core", &against, &watched.share)
            .with_bar(Better::Lower, CPU_BAR, CPU_GOAL, &watched.share)
            .noted("by /proc; the programs' own time is the packets'"),
        Row::of("load_wakeups", "1/s", &against, &watched.wakeups),
        Row::of("load_ring_events", "1/s", &against, &events)
            .with_bar(Better::Lower, most, most, &events)
            .noted(format!("{per_second:.0} packets a second at each device")),
        Row::of("load_round_trips", "1/min", &against, &trips)
            .with_bar(Better::Higher, TRIPS_BAR, TRIPS_BAR, &trips)
            .noted("without them the rows above would say less"),
    ])
}

/// Drives the load and watches the agent meanwhile.
fn watch(bench: &Bench) -> Result<Watched, BenchError> {
    let [node, _] = NODES;
    let [from, to] = bench.pods.each_ref().map(Place::from);
    drop_unseen(&to.netns)?;
    let scan = Scan {
        ports: PORTS,
        rate: RATE,
        ..Scan::new(from, vec![bench.pods[1].address], u64::MAX)
    };
    let mut collector = Collector::start(bench, node)?;
    let arguments = ["--format", "none", "--otlp", &collector.endpoint.clone()];
    let agent = Agent::start(bench, node, &arguments)?;
    let stop = Stop::default();
    let watched = thread::scope(|scope| {
        let flows = scope.spawn(|| scan.drive(&stop).map(|_| ()));
        let trips = scope.spawn(|| bench.trickle(Duration::from_hours(1), &stop));
        let watched = settled(bench, &agent, &mut collector);
        stop.set();
        joined(flows).map_err(|error: TrafficError| BenchError::from(error))?;
        joined(trips)?;
        watched
    })?;
    agent.end()?;
    Ok(watched)
}

fn joined<E>(thread: ScopedJoinHandle<'_, Result<(), E>>) -> Result<(), E> {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Watches in slices once the flows are there.
fn settled(bench: &Bench, agent: &Agent, collector: &mut Collector) -> Result<Watched, BenchError> {
    bench.pause(SETTLE)?;
    let before = collector.ask()?;
    let mut traces = before.traces;
    let mut watched = Watched::default();
    let begun = Instant::now();
    while begun.elapsed() < bench.effort.watch {
        let (since, busy, wakeups) = (Instant::now(), agent.busy()?, agent.wakeups()?);
        bench.pause(SLICE)?;
        let spent = agent.busy()?.saturating_sub(busy).as_secs_f64();
        let seconds = since.elapsed().as_secs_f64();
        watched.share.push(100.0 * spent / seconds);
        watched.wakeups.push((agent.wakeups()? - wakeups) / seconds);
        watched.memory.push(agent.bytes("VmRSS")? / MIB);
        let arrived = collector.ask()?.traces;
        watched.traces.push(arrived - traces);
        traces = arrived;
    }
    watched.seconds = begun.elapsed().as_secs_f64();
    watched.last = collector.ask()?.ledgers;
    watched.last.drain(..before.ledgers.len());
    Ok(watched)
}
