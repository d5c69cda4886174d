//! A storm: every packet is the first of its flow. Each is a test run of its own, since the kernel
//! repeats a run's bytes; the yardstick is run the same way.

use std::net::Ipv4Addr;

use observer_ebpf::abi::PATH_REFUSED;
use observer_ebpf::abi::control::Control;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::fixtures::layers::{IPV4, Ipv4, TCP, Tcp, ethernet, stamped};
use observer_ebpf::fixtures::{POD_A, POD_B};
use observer_ebpf::parse::TCP_SYN;

use super::Effort;
use super::peer::spec::Spec;
use super::row::{Better, Row, ratios};
use super::stage::{Failure, PATH, Program, Stage};

/// Bar of the issue, and what the insert budget should make of it.
const BAR: f64 = 1.5;
const GOAL: f64 = 0.75;

/// Packets of one program in a row: in a storm its code is warm.
const BLOCK: u32 = 64;
/// Of so many runs the dearest is left out: it holds an interrupt.
const OUTLIERS: usize = 500;
/// More new flows than either table has entries.
const FILL: u32 = 40_000;

const EMPTY: Program = Program::Yardstick("empty");
const INSERT: Program = Program::Yardstick("lru_insert");
const OURS: Program = Program::Ours(Site {
    point: Point::Bridge,
    hook: Hook::Ingress,
});

/// The two pods.
pub(super) const PODS: [Ipv4Addr; 2] = [from(POD_A), from(POD_B)];

/// Nanoseconds per packet net of the empty program, one number per round.
#[derive(Default)]
struct Series {
    insert: Vec<f64>,
    ours: Vec<f64>,
    /// By place of the peer.
    peers: Vec<Vec<f64>>,
}

/// Storms within the budget of the default settings, and without one.
pub(super) fn rows(effort: Effort, peers: &[Spec]) -> Result<Vec<Row>, Failure> {
    let mut stage = Stage::new(PODS, None)?.beside(peers)?;
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
    let net = "net of the empty program";
    let mut rows = vec![
        Row::of("storm_lru_insert", "ns", net, &held.insert),
        Row::of("storm_packet", "ns", net, &held.ours),
        Row::of("storm_entered_packet", "ns", net, &free.ours),
        Row::of("storm_ratio", "1", against, &held_ratio)
            .with_bar(Better::Lower, BAR, GOAL, &held_ratio)
            .noted(format!(
                "a new flow per packet, default budgets: {entered:.1} % got an entry"
            )),
        Row::of("storm_entered_ratio", "1", against, &free.ratio())
            .noted("a new flow per packet, no insert budget: each got an entry"),
    ];
    for (peer, theirs) in peers.iter().zip(&held.peers) {
        let against = format!("{} of {}, both net", peer.ingress, peer.file());
        let ratio = ratios(&held.ours, theirs);
        rows.push(Row::of(&format!("storm_{}", peer.label), "ns", net, theirs));
        let name = format!("storm_packet_by_{}", peer.label);
        rows.push(Row::of(&name, "1", &against, &ratio));
    }
    Ok(rows)
}

impl Series {
    fn ratio(&self) -> Vec<f64> {
        ratios(&self.ours, &self.insert)
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
        run(stage, OURS, *next, 1)?;
        *next += 1;
    }
    run(stage, INSERT, 0, FILL)?;
    Ok(())
}

/// The storm, and which share of its packets got an entry, percent.
fn storm(stage: &mut Stage, next: &mut u32, effort: Effort) -> Result<(Series, f64), Failure> {
    let peers = (0..stage.peers.len()).map(|place| Program::Peer(place, Hook::Ingress));
    let programs: Vec<_> = [EMPTY, INSERT, OURS].into_iter().chain(peers).collect();
    let mut series = Series {
        peers: vec![Vec::new(); stage.peers.len()],
        ..Series::default()
    };
    let (before, counted) = (stage.inserted()?, buffers(stage)?);
    for _ in 0..effort.rounds {
        let mut gross = vec![Vec::new(); programs.len()];
        for _ in 0..effort.flows / BLOCK {
            for (&program, gross) in programs.iter().zip(&mut gross) {
                for number in *next..*next + BLOCK {
                    gross.push(run(stage, program, number, 1)?);
                }
            }
            *next += BLOCK;
            stage.object.events.drain(usize::MAX, |_| {});
        }
        let means: Vec<_> = gross.into_iter().map(mean).collect();
        let [empty, insert, ours, peers @ ..] = means.as_slice() else {
            continue;
        };
        series.insert.push(insert - empty);
        series.ours.push(ours - empty);
        for (net, mean) in series.peers.iter_mut().zip(peers) {
            net.push(mean - empty);
        }
    }
    let packets = effort.flows / BLOCK * BLOCK * u32::try_from(effort.rounds)?;
    let counted = buffers(stage)? - counted;
    if counted != u64::from(packets) {
        return Err(format!("send {packets} packets: {counted} were counted").into());
    }
    let entered = u32::try_from(stage.inserted()? - before)?;
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

/// The first segment of flow `number` at the bridge; nanoseconds per packet.
fn run(stage: &mut Stage, program: Program, number: u32, repeat: u32) -> Result<f64, Failure> {
    stage.run(program, first_segment(number).as_slice(), repeat)
}

/// Puts the first segment of flow `number` through the program.
pub(super) fn show(stage: &mut Stage, number: u32) -> Result<(), Failure> {
    run(stage, OURS, number, 1).map(|_| ())
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
