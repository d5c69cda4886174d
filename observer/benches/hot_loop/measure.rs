//! Test runs: interleaved between programs per round, each round net of its own empty reading.

use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::Hook;

use super::cases::Case;
use super::frames;
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

/// Ways of the ledger that no measured packet may take.
const STRAY: [Loss; 7] = [
    Loss::FragmentsUnmatched,
    Loss::ErrorsUnmatched,
    Loss::DatagramsHidden,
    Loss::TooDeep,
    Loss::OuterFlowsFull,
    Loss::InsertBudget,
    Loss::InsertRefused,
];

/// Fails unless every case is counted where it belongs, packet by packet, as what it is, and none goes
/// astray.
pub(super) fn verify(stage: &mut Stage, cases: &[Case]) -> Result<(), Failure> {
    const PACKETS: u32 = 1_000;
    for case in cases {
        // The first packet makes the entry and announces it.
        stage.run(Program::Ours(case.site), case.buffer(), 1)?;
        let before = counted(stage, case)?;
        let gone = astray(stage)?;
        stage.run(Program::Ours(case.site), case.buffer(), PACKETS)?;
        none_astray(stage, gone, case.name)?;
        let after = counted(stage, case)?;
        let grown = [0, 1, 2].map(|at| after[at] - before[at]);
        let sent = u64::from(PACKETS);
        let opaque = if case.is_opaque { sent } else { 0 };
        let expected = [sent, sent * case.segments, opaque];
        if grown != expected {
            let (name, path) = (case.name, case.path);
            return Err(format!(
                "send {PACKETS} packets of {name} through the program: on path {path} (buffers, \
                 packets, packets that hide others) grew by {grown:?}, not {expected:?}; the \
                 measurement would be of another road"
            )
            .into());
        }
    }
    Ok(())
}

/// Buffers and packets on the case's path at its point, and packets that hide others.
fn counted(stage: &mut Stage, case: &Case) -> Result<[u64; 3], Failure> {
    let [buffers, packets] = stage.counted(case.path..case.path + 1, case.site.point)?;
    let mut opaque = 0;
    let flows = &mut stage.object.outer_flows;
    flows.for_each(|_, flow| opaque += flow.packets)?;
    Ok([buffers, packets, opaque])
}

/// Packets that went one of the ways in [`STRAY`] so far.
fn astray(stage: &mut Stage) -> Result<[u64; STRAY.len()], Failure> {
    let totals = stage.object.totals()?;
    Ok(STRAY.map(|loss| totals.of(loss)))
}

/// Fails if there are more of them than `before`.
fn none_astray(stage: &mut Stage, before: [u64; STRAY.len()], what: &str) -> Result<(), Failure> {
    let after = astray(stage)?;
    let pairs = STRAY.iter().zip(after.iter().zip(before));
    let grown: Vec<_> = pairs
        .filter(|(_, (after, before))| *after != before)
        .collect();
    if let Some((loss, (after, before))) = grown.first() {
        let more = *after - before;
        return Err(format!(
            "send {what} through the program: the ledger says {loss:?} of {more} packets; the \
             measurement would be of another road"
        )
        .into());
    }
    Ok(())
}

/// The steady state of every case and the yardsticks, and of every case through every peer; the empty
/// program's gross first.
pub(super) fn steady(
    stage: &mut Stage,
    cases: &[Case],
    effort: Effort,
) -> Result<(Vec<f64>, Vec<Series>), Failure> {
    let first = cases.first().ok_or("measure: no cases")?.buffer();
    let mut all: Vec<_> = YARDSTICKS
        .map(|name| (name.to_owned(), Program::Yardstick(name), first))
        .into();
    for case in cases {
        let (name, frame) = (case.name.to_owned(), case.buffer());
        all.push((name, Program::Ours(case.site), frame));
        let peers = stage.peers.iter().enumerate();
        for (place, peer) in peers.filter(|_| case.is_comparable()) {
            let name = beside(case.name, &peer.spec.label);
            all.push((name, Program::Peer(place, Hook::Ingress), frame));
        }
    }
    let mut net = vec![Vec::new(); all.len()];
    let mut gross = Vec::new();
    let gone = astray(stage)?;
    for round in 0..effort.rounds {
        let empty = stage.run(Program::Yardstick(EMPTY), first, effort.repeat)?;
        gross.push(empty);
        for step in 0..all.len() {
            let turn = (round + step) % all.len();
            let (Some((_, program, frame)), Some(net)) = (all.get(turn), net.get_mut(turn)) else {
                continue;
            };
            net.push(stage.run(*program, *frame, effort.repeat)? - empty);
        }
    }
    let names = all.into_iter().map(|(name, ..)| name);
    none_astray(stage, gone, "all cases in turns")?;
    let series = names.zip(net).map(|(name, net)| Series { name, net });
    Ok((gross, series.collect()))
}

/// What becomes of a case's frame behind a peer, if it does not go on.
pub(super) fn fate(stage: &mut Stage, case: &Case, place: usize) -> Result<String, Failure> {
    // `TC_ACT_OK`, `TC_ACT_PIPE`, `TC_ACT_UNSPEC`.
    const GOES_ON: [u32; 3] = [0, 3, u32::MAX];
    let peer = Program::Peer(place, Hook::Ingress);
    let (_, verdict) = stage.run_to_verdict(peer, case.buffer(), 1)?;
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
    stage.run(ours, frames::reply(0).as_slice(), 1)?;
    let sampled = stage.object.totals()?.of(Loss::Samples);
    for number in 1..=effort.stamps {
        let data = frames::with_new_stamp(number);
        let reply = frames::reply(number);
        let empty = stage.run(Program::Yardstick(EMPTY), data.as_slice(), 1)?;
        let look_up = stage.run(Program::Yardstick(LOOK_UP), data.as_slice(), 1)?;
        // Our own program runs once before it is measured, as it would in traffic.
        stage.run(ours, frames::with_new_stamp(number - 1).as_slice(), 1)?;
        let new = stage.run(ours, data.as_slice(), 1)?;
        let known = stage.run(ours, data.as_slice(), 1)?;
        let answered = stage.run(ours, reply.as_slice(), 1)?;
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
