//! 60,000 flows of 240 pairs of pods in scattered order: tables far larger than any cache. The kernel
//! repeats a run's bytes, so a yardstick makes each frame another flow's before the measured program.

use aya::maps::{Array, HashMap, ProgramArray};
use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::control::Control;
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::key::Address;
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::{POD_A, POD_B};

use super::cases::{self, Case};
use super::measure::{EMPTY, Effort, Series, beside};
use super::peer::spec::Spec;
use super::stage::{Failure, Program, Stage};

/// What the yardstick `mix` makes of one frame; its own numbers.
const FLOWS: u32 = 60_000;
const HOSTS: u8 = 240;
const FIRST_HOST: u8 = 1;
/// An LRU begins to evict some time before its last entry is taken.
const ENTRIES: u32 = 131_072;
const MIX: Program = Program::Yardstick("mix");
/// From one flow to the next. Entries are made one after the other and met far apart, else memory would
/// be read in a row; no factor is shared with [`FLOWS`], so that all are met.
const IN_ORDER: u64 = 1;
const SCATTERED: u64 = 25_741;
/// Packets whose events the ring can hold.
const CHUNK: u32 = 1_000;
/// Name of the rows of ours.
pub(super) const OURS: &str = "flows_60000";
/// Name of the rows of the look-up.
pub(super) const LOOK_UP: &str = "flows_60000_look_up";

/// As large as an entry of `BIFLOWS`: key and value in words.
type Key = [u64; 5];
type Value = [u64; 37];

/// The empty program's gross, then look-up, ours and the peers, net of it.
pub(super) fn measure(
    case: &Case,
    peers: &[Spec],
    effort: Effort,
) -> Result<(Vec<f64>, Vec<Series>), Failure> {
    let mut stage = ready(case, peers)?;
    let mut all = vec![
        (LOOK_UP.to_owned(), Program::Yardstick("look_up_mixed")),
        (OURS.to_owned(), Program::Ours(case.site)),
    ];
    for (place, peer) in stage.peers.iter().enumerate() {
        let name = beside(OURS, &peer.spec.label);
        all.push((name, Program::Peer(place, Hook::Ingress)));
    }
    let (before, inserted) = (counted(&mut stage)?, stage.inserted()?);
    let (mut gross, mut net) = (Vec::new(), vec![Vec::new(); all.len()]);
    for round in 0..effort.rounds {
        let empty = run(&mut stage, Program::Yardstick(EMPTY), case, effort.repeat)?;
        gross.push(empty);
        for step in 0..all.len() {
            let turn = (round + step) % all.len();
            if let (Some((_, program)), Some(net)) = (all.get(turn), net.get_mut(turn)) {
                net.push(run(&mut stage, *program, case, effort.repeat)? - empty);
            }
        }
    }
    let sent = u64::from(effort.repeat) * effort.rounds as u64;
    let grown = (counted(&mut stage)? - before, stage.inserted()? - inserted);
    if grown != (sent, 0) {
        let (counted, inserted) = grown;
        return Err(format!(
            "send {sent} packets of {FLOWS} known flows: {counted} were counted and {inserted} \
             flows were new; the measurement would be of another road"
        )
        .into());
    }
    let names = all.into_iter().map(|(name, _)| name);
    let series = names.zip(net).map(|(name, net)| Series { name, net });
    Ok((gross, series.collect()))
}

/// Every flow known to ours, to the look-up and to the peers, each met in the same order; from now on in
/// scattered order.
fn ready(case: &Case, peers: &[Spec]) -> Result<Stage, Failure> {
    let mut stage = Stage::new(cases::PODS, Some(ENTRIES))?.beside(peers)?;
    for host in 0..HOSTS {
        let [a, b, c, _] = POD_B;
        let ends = [POD_A, [a, b, c, FIRST_HOST + host]].map(Address::v4);
        stage.assign(ends, FIRST_PATH + u16::from(host))?;
    }
    make_entries(&mut stage)?;
    set_stride(&mut stage, IN_ORDER)?;
    fill(&mut stage, case)?;
    for place in 0..stage.peers.len() {
        set_stride(&mut stage, IN_ORDER)?;
        let peer = Program::Peer(place, Hook::Ingress);
        run(&mut stage, peer, case, FLOWS)?;
    }
    set_stride(&mut stage, SCATTERED)?;
    Ok(stage)
}

/// Runs a program behind `mix`.
fn run(stage: &mut Stage, program: Program, case: &Case, repeat: u32) -> Result<f64, Failure> {
    let next = stage.program(program)?.fd()?.try_clone()?;
    let map = stage.yardsticks.map_mut("NEXT").ok_or("find map `NEXT`")?;
    ProgramArray::try_from(map)?.set(0, &next, 0)?;
    let (nanos, verdict) = stage.run_to_verdict(MIX, case.buffer(), repeat)?;
    // What `mix` says if it could not go on.
    if verdict == 0 && !matches!(program, Program::Peer(..)) {
        return Err(format!("run {program:?} behind `mix`: it was not called").into());
    }
    Ok(nanos)
}

/// Tells `mix` which flow comes next.
fn set_stride(stage: &mut Stage, stride: u64) -> Result<(), Failure> {
    let map = stage.yardsticks.map_mut("FLOW").ok_or("find map `FLOW`")?;
    let mut flow: Array<_, [u64; 2]> = map.try_into()?;
    Ok(flow.set(0, [0, stride], 0)?)
}

/// One entry for each flow of the look-up.
fn make_entries(stage: &mut Stage) -> Result<(), Failure> {
    let map = stage
        .yardsticks
        .map_mut("MIXED")
        .ok_or("find map `MIXED`")?;
    let mut mixed: HashMap<_, Key, Value> = map.try_into()?;
    for number in 0..u64::from(FLOWS) {
        mixed.insert([number, 0, 0, 0, 0], [0; 37], 0)?;
    }
    Ok(())
}

/// Shows ours every flow, without budgets; each must get its entry.
fn fill(stage: &mut Stage, case: &Case) -> Result<(), Failure> {
    let before = stage.inserted()?;
    let budgets = stage.object.control.get();
    let [_, _, round_trips, wakeups, messages] = budgets.limits;
    stage.object.control.set(Control {
        limits: [u32::MAX, u32::MAX, round_trips, wakeups, messages],
        ..budgets
    });
    for _ in 0..FLOWS / CHUNK {
        run(stage, Program::Ours(case.site), case, CHUNK)?;
        stage.object.events.drain(usize::MAX, |_| {});
    }
    stage.object.control.set(budgets);
    let inserted = stage.inserted()? - before;
    if inserted != u64::from(FLOWS) {
        return Err(format!("show {FLOWS} flows: {inserted} got an entry").into());
    }
    let lost = stage.object.totals()?.of(Loss::RingFull);
    if lost != 0 {
        return Err(format!("announce {FLOWS} flows: {lost} events were lost").into());
    }
    Ok(())
}

/// Packets on the paths of all pairs.
fn counted(stage: &mut Stage) -> Result<u64, Failure> {
    let paths = FIRST_PATH..FIRST_PATH + u16::from(HOSTS);
    let [buffers, _] = stage.counted(paths, Point::Bridge)?;
    Ok(buffers)
}
