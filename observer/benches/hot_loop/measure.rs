//! Test runs: interleaved between programs per round, each round net of its own empty reading.

use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::Hook;

use super::cases::{self, Case};
use super::stage::{Failure, Program, Stage};

/// How much is measured.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Rounds; each runs every program once.
    pub(super) rounds: usize,
    /// Packets per run.
    pub(super) repeat: u32,
    /// Packets with a new `TSval`, one run each.
    pub(super) stamps: u32,
    /// Packets per block on a real device.
    pub(super) writes: u32,
}

/// Nanoseconds per packet net of the empty program, one number per round.
pub(super) struct Series {
    /// Name of the yardstick or case, and of the peer that it went through.
    pub(super) name: String,
    /// The rounds.
    pub(super) net: Vec<f64>,
}

/// Name of the yardstick that everything is compared with.
pub(super) const LOOK_UP: &str = "look_up";
/// Runs of one packet that make one number.
const GROUP: usize = 1_000;
pub(super) const EMPTY: &str = "empty";
const YARDSTICKS: [&str; 2] = [LOOK_UP, "clock"];

/// Fails unless every case is counted where it belongs, packet by packet, and every later fragment
/// with its first one.
pub(super) fn verify(stage: &mut Stage, cases: &[Case]) -> Result<(), Failure> {
    const PACKETS: u32 = 1_000;
    for case in cases {
        // The first packet makes the entry and announces it.
        stage.run(Program::Ours(case.site), &case.frame, 1)?;
        let before = stage.buffers(case.path, case.site.point)?;
        let unmatched = unmatched(stage)?;
        stage.run(Program::Ours(case.site), &case.frame, PACKETS)?;
        all_matched(stage, unmatched, case.name)?;
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

/// Later fragments whose first one was not known.
fn unmatched(stage: &mut Stage) -> Result<u64, Failure> {
    Ok(stage.object.totals()?.of(Loss::FragmentsUnmatched))
}

/// Fails if there are more of them than `before`.
fn all_matched(stage: &mut Stage, before: u64, what: &str) -> Result<(), Failure> {
    match unmatched(stage)? - before {
        0 => Ok(()),
        more => Err(format!(
            "send {what} through the program: of {more} later fragments the first one was not \
             known; the measurement would be of another road"
        )
        .into()),
    }
}

/// The steady state of every case and the yardsticks, and of every case through every peer; the empty
/// program's gross first.
pub(super) fn steady(
    stage: &mut Stage,
    cases: &[Case],
    effort: Effort,
) -> Result<(Vec<f64>, Vec<Series>), Failure> {
    let first = &cases.first().ok_or("measure: no cases")?.frame;
    let mut all: Vec<_> = YARDSTICKS
        .map(|name| (name.to_owned(), Program::Yardstick(name), first))
        .into();
    for case in cases {
        all.push((case.name.to_owned(), Program::Ours(case.site), &case.frame));
        for (place, peer) in stage.peers.iter().enumerate() {
            let name = beside(case.name, &peer.spec.label);
            all.push((name, Program::Peer(place, Hook::Ingress), &case.frame));
        }
    }
    let mut net = vec![Vec::new(); all.len()];
    let mut gross = Vec::new();
    let unmatched = unmatched(stage)?;
    for round in 0..effort.rounds {
        let empty = stage.run(Program::Yardstick(EMPTY), first, effort.repeat)?;
        gross.push(empty);
        for step in 0..all.len() {
            let turn = (round + step) % all.len();
            let (Some((_, program, frame)), Some(net)) = (all.get(turn), net.get_mut(turn)) else {
                continue;
            };
            net.push(stage.run(*program, frame, effort.repeat)? - empty);
        }
    }
    let names = all.into_iter().map(|(name, ..)| name);
    all_matched(stage, unmatched, "all cases in turns")?;
    let series = names.zip(net).map(|(name, net)| Series { name, net });
    Ok((gross, series.collect()))
}

/// What becomes of a case's frame behind a peer, if it does not go on.
pub(super) fn fate(stage: &mut Stage, case: &Case, place: usize) -> Result<String, Failure> {
    // `TC_ACT_OK`, `TC_ACT_PIPE`, `TC_ACT_UNSPEC`.
    const GOES_ON: [u32; 3] = [0, 3, u32::MAX];
    let peer = Program::Peer(place, Hook::Ingress);
    let (_, verdict) = stage.run_to_verdict(peer, &case.frame, 1)?;
    if GOES_ON.contains(&verdict) {
        return Ok(String::new());
    }
    Ok(format!("it answers {verdict}: the packet does not go on"))
}

/// Name of the rows of a case that went through a peer.
pub(super) fn beside(case: &str, peer: &str) -> String {
    format!("{case}_{peer}")
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
    stage.run(ours, &cases::reply(0), 1)?;
    let sampled = stage.object.totals()?.of(Loss::Samples);
    for number in 1..=effort.stamps {
        let data = cases::with_new_stamp(number);
        let reply = cases::reply(number);
        let empty = stage.run(Program::Yardstick(EMPTY), &data, 1)?;
        let look_up = stage.run(Program::Yardstick(LOOK_UP), &data, 1)?;
        // Our own program runs once before it is measured, as it would in traffic.
        stage.run(ours, &cases::with_new_stamp(number - 1), 1)?;
        let new = stage.run(ours, &data, 1)?;
        let known = stage.run(ours, &data, 1)?;
        let answered = stage.run(ours, &reply, 1)?;
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
            name: name.to_owned(),
            net: net.chunks_exact(GROUP).filter_map(middle).collect(),
        })
        .collect())
}

fn middle(group: &[f64]) -> Option<f64> {
    let mut sorted = group.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(group.len() / 2).copied()
}
