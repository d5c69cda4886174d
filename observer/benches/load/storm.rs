//! A storm: every packet is the first of its flow. Each is a test run of its own, since the kernel
//! repeats a run's bytes; the yardstick is run the same way.

use std::net::Ipv4Addr;

use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use observer_ebpf::abi::PATH_REFUSED;
use observer_ebpf::abi::control::Control;
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{IPV4, Ipv4, TCP, Tcp, ethernet, stamped};
use observer_ebpf::fixtures::{POD_A, POD_B};
use observer_ebpf::parse::TCP_SYN;

use super::Effort;
use super::row::{Better, Row};
use super::stage::{Failure, PATH, Stage};

/// Bar of the issue, and what the insert budget should make of it.
const BAR: f64 = 1.5;
const GOAL: f64 = 0.75;

/// Packets of one program in a row: in a storm its code is warm.
const BLOCK: u32 = 64;
/// Of so many runs the dearest is left out: it holds an interrupt.
const OUTLIERS: usize = 500;
/// More new flows than either table has entries.
const FILL: u32 = 40_000;

/// The two pods.
pub(super) const PODS: [Ipv4Addr; 2] = [from(POD_A), from(POD_B)];

/// Nanoseconds per packet net of the empty program, one number per round.
#[derive(Default)]
struct Series {
    insert: Vec<f64>,
    ours: Vec<f64>,
}

/// Storms within the budget of the default settings, and without one.
pub(super) fn rows(effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut stage = Stage::new(PODS, None)?;
    let budgets = stage.object.control.get();
    stage.object.control.set(without_insert_budget(budgets));
    let mut next = 0;
    fill(&mut stage, &mut next)?;
    let (free, entered_all) = storm(&mut stage, &mut next, effort)?;
    stage.object.control.set(budgets);
    let (held, entered) = storm(&mut stage, &mut next, effort)?;
    if entered_all < 99.0 {
        return Err(format!("insert a new flow per packet: only {entered_all} % were").into());
    }
    let held_ratio = held.ratio();
    let against = "an insert into a full LRU, both net";
    Ok(vec![
        Row::of(
            "storm_lru_insert",
            "ns",
            "net of the empty program",
            &held.insert,
        ),
        Row::of("storm_packet", "ns", "net of the empty program", &held.ours),
        Row::of("storm_ratio", "1", against, &held_ratio)
            .with_bar(Better::Lower, BAR, GOAL, &held_ratio)
            .noted(format!(
                "a new flow per packet, default budgets: {entered:.1} % got an entry"
            )),
        Row::of("storm_entered_ratio", "1", against, &free.ratio())
            .noted("a new flow per packet, no insert budget: each got an entry"),
    ])
}

impl Series {
    fn ratio(&self) -> Vec<f64> {
        let pairs = self.ours.iter().zip(&self.insert);
        pairs.map(|(ours, insert)| ours / insert).collect()
    }
}

/// Lets every packet's flow into the table; all else as by default.
pub(super) const fn without_insert_budget(control: Control) -> Control {
    let [_, announcements, round_trips, wakeups, messages] = control.limits;
    Control {
        limits: [u32::MAX, announcements, round_trips, wakeups, messages],
        ..control
    }
}

/// Fills both tables, so that each further insert evicts.
fn fill(stage: &mut Stage, next: &mut u32) -> Result<(), Failure> {
    for _ in 0..FILL {
        run(stage, Program::Ours, *next, 1)?;
        *next += 1;
    }
    run(stage, Program::Yardstick("lru_insert"), 0, FILL)?;
    Ok(())
}

/// The storm, and which share of its packets got an entry, percent.
fn storm(stage: &mut Stage, next: &mut u32, effort: Effort) -> Result<(Series, f64), Failure> {
    let mut series = Series::default();
    let (before, counted) = (stage.object.totals()?.of(Loss::Inserted), buffers(stage)?);
    for _ in 0..effort.rounds {
        let mut gross = [const { Vec::new() }; 3];
        for _ in 0..effort.flows / BLOCK {
            for _ in 0..BLOCK {
                gross[0].push(run(stage, Program::Yardstick("empty"), *next, 1)?);
            }
            for _ in 0..BLOCK {
                gross[1].push(run(stage, Program::Yardstick("lru_insert"), *next, 1)?);
            }
            for _ in 0..BLOCK {
                gross[2].push(run(stage, Program::Ours, *next, 1)?);
                *next += 1;
            }
            stage.object.events.drain(usize::MAX, |_| {});
        }
        let [empty, insert, ours] = gross.map(mean);
        series.insert.push(insert - empty);
        series.ours.push(ours - empty);
    }
    let packets = effort.flows / BLOCK * BLOCK * u32::try_from(effort.rounds)?;
    let counted = buffers(stage)? - counted;
    if counted != u64::from(packets) {
        return Err(format!("send {packets} packets: {counted} were counted").into());
    }
    let entered = u32::try_from(stage.object.totals()?.of(Loss::Inserted) - before)?;
    Ok((series, 100.0 * f64::from(entered) / f64::from(packets)))
}

/// The mean without the dearest runs.
fn mean(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs.truncate(runs.len() - runs.len().div_ceil(OUTLIERS));
    let count = runs.iter().map(|_| 1.0).sum::<f64>();
    runs.iter().sum::<f64>() / count
}

/// Packets of the pair, with an entry or without.
fn buffers(stage: &mut Stage) -> Result<u64, Failure> {
    Ok(stage.buffers(PATH, Point::Bridge)? + stage.buffers(PATH_REFUSED, Point::Bridge)?)
}

/// What a packet is put through.
#[derive(Clone, Copy)]
enum Program {
    Yardstick(&'static str),
    Ours,
}

/// The first segment of flow `number` at the bridge; nanoseconds per packet.
fn run(stage: &mut Stage, program: Program, number: u32, repeat: u32) -> Result<f64, Failure> {
    let frame = first_segment(number);
    let program: &SchedClassifier = match program {
        Program::Yardstick(name) => stage.yardstick(name)?,
        Program::Ours => stage.object.program(Point::Bridge, Hook::Ingress)?,
    };
    let result = program.test_run(TestRunOptions {
        data_in: Some(&frame),
        repeat,
        ..TestRunOptions::new()
    })?;
    if result.return_value != NEXT {
        return Err(format!("run a program on flow {number}: it refused").into());
    }
    Ok(result.duration.as_secs_f64() * 1e9)
}

/// `TCX_NEXT`.
const NEXT: u32 = u32::MAX;

/// Puts the first segment of flow `number` through the program.
pub(super) fn show(stage: &mut Stage, number: u32) -> Result<(), Failure> {
    run(stage, Program::Ours, number, 1).map(|_| ())
}

/// A SYN with timestamps; each number another pair of ports.
fn first_segment(number: u32) -> Vec<u8> {
    let [a, b, c, d] = number.to_be_bytes();
    let segment = Tcp {
        source: u16::from_be_bytes([a, b]),
        destination: u16::from_be_bytes([c, d]),
        flags: TCP_SYN,
        options: &stamped(number, 0),
        ..Tcp::default()
    };
    ethernet(
        IPV4,
        &Ipv4::new(POD_A, POD_B, TCP).around(&segment.around(&[])),
    )
}

const fn from([a, b, c, d]: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}
