//! Test runs: interleaved between programs per round, each round net of its own empty reading.

use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::Site;

use super::cases::{self, Case};
use super::stage::{Failure, Stage};

/// How much is measured.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Rounds; each runs every program once.
    pub(super) rounds: usize,
    /// Packets per run.
    pub(super) repeat: u32,
    /// Packets with a new `TSval`, one run each.
    pub(super) stamps: u32,
}

/// What a packet is put through.
#[derive(Clone, Copy)]
enum Program {
    Yardstick(&'static str),
    Ours(Site),
}

/// Nanoseconds per packet net of the empty program, one number per round.
pub(super) struct Series {
    /// Name of the yardstick or case.
    pub(super) name: &'static str,
    /// The rounds.
    pub(super) net: Vec<f64>,
}

/// Name of the yardstick that everything is compared with.
pub(super) const LOOK_UP: &str = "look_up";
/// Runs of one packet that make one number.
const GROUP: usize = 1_000;
const EMPTY: &str = "empty";
const YARDSTICKS: [&str; 2] = [LOOK_UP, "clock"];

/// Fails unless every case is counted where it belongs, packet by packet.
pub(super) fn verify(stage: &mut Stage, cases: &[Case]) -> Result<(), Failure> {
    const PACKETS: u32 = 1_000;
    for case in cases {
        // The first packet makes the entry and announces it.
        run(stage, Program::Ours(case.site), &case.frame, 1)?;
        let before = stage.buffers(case.path, case.site.point)?;
        run(stage, Program::Ours(case.site), &case.frame, PACKETS)?;
        let grown = stage.buffers(case.path, case.site.point)? - before;
        if grown != u64::from(PACKETS) {
            let (name, path) = (case.name, case.path);
            return Err(format!(
                "send {PACKETS} packets of {name} through the program: {grown} were counted on \
                 path {path}; the measurement would be of another road"
            )
            .into());
        }
    }
    Ok(())
}

/// The steady state of every case and the yardsticks; the empty program's gross first.
pub(super) fn steady(
    stage: &mut Stage,
    cases: &[Case],
    effort: Effort,
) -> Result<(Vec<f64>, Vec<Series>), Failure> {
    let first = &cases.first().ok_or("measure: no cases")?.frame;
    let yardsticks = YARDSTICKS.map(|name| (name, Program::Yardstick(name), first));
    let ours = cases
        .iter()
        .map(|case| (case.name, Program::Ours(case.site), &case.frame));
    let all: Vec<_> = yardsticks.into_iter().chain(ours).collect();
    let mut series: Vec<Series> = all
        .iter()
        .map(|&(name, ..)| Series {
            name,
            net: Vec::new(),
        })
        .collect();
    let mut gross = Vec::new();
    for round in 0..effort.rounds {
        let empty = run(stage, Program::Yardstick(EMPTY), first, effort.repeat)?;
        gross.push(empty);
        for step in 0..all.len() {
            let turn = (round + step) % all.len();
            let (Some((_, program, frame)), Some(series)) = (all.get(turn), series.get_mut(turn))
            else {
                continue;
            };
            series
                .net
                .push(run(stage, *program, frame, effort.repeat)? - empty);
        }
    }
    Ok((gross, series))
}

/// Runs of one packet: the kernel reuses a run's bytes, so each new `TSval` is a run of its own. All
/// series are dearer than in long runs, since every run begins with colder caches. One number per
/// [`GROUP`] runs, their median: a single run may hold an interrupt.
pub(super) fn new_stamps(
    stage: &mut Stage,
    case: &Case,
    effort: Effort,
) -> Result<Vec<Series>, Failure> {
    let ours = Program::Ours(case.site);
    let names = [
        "single_look_up",
        "single_new_tsval",
        "single_known_tsval",
        "single_reply",
    ];
    let mut net = [const { Vec::new() }; 4];
    // What the steady state left armed is answered first.
    run(stage, ours, &cases::reply(0), 1)?;
    let sampled = stage.object.totals()?.of(Loss::Samples);
    for number in 1..=effort.stamps {
        let data = cases::with_new_stamp(number);
        let reply = cases::reply(number);
        let empty = run(stage, Program::Yardstick(EMPTY), &data, 1)?;
        let look_up = run(stage, Program::Yardstick(LOOK_UP), &data, 1)?;
        // Our own program runs once before it is measured, as it would in traffic.
        run(stage, ours, &cases::with_new_stamp(number - 1), 1)?;
        let new = run(stage, ours, &data, 1)?;
        let known = run(stage, ours, &data, 1)?;
        let answered = run(stage, ours, &reply, 1)?;
        for (series, gross) in net.iter_mut().zip([look_up, new, known, answered]) {
            series.push(gross - empty);
        }
    }
    let sampled = stage.object.totals()?.of(Loss::Samples) - sampled;
    if sampled != u64::from(effort.stamps) {
        let sent = effort.stamps;
        return Err(format!("answer {sent} new TSvals: {sampled} round trips were timed").into());
    }
    let series = names.into_iter().zip(net);
    Ok(series
        .map(|(name, net)| Series {
            name,
            net: net.chunks_exact(GROUP).filter_map(middle).collect(),
        })
        .collect())
}

fn middle(group: &[f64]) -> Option<f64> {
    let mut sorted = group.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(group.len() / 2).copied()
}

/// One run; nanoseconds per packet.
fn run(stage: &mut Stage, program: Program, frame: &[u8], repeat: u32) -> Result<f64, Failure> {
    let program: &SchedClassifier = match program {
        Program::Yardstick(name) => stage.yardstick(name)?,
        Program::Ours(site) => stage.object.program(site.point, site.hook)?,
    };
    let result = program.test_run(TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::new()
    })?;
    Ok(result.duration.as_secs_f64() * 1e9)
}
