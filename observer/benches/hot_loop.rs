//! Cost of one packet in the programs by `BPF_PROG_TEST_RUN`, net of an empty program and against
//! one LRU look-up of the same run. Needs root. `cargo xtask bench` calls it.

#[path = "hot_loop/cases.rs"]
mod cases;
#[path = "hot_loop/command.rs"]
mod command;
#[path = "hot_loop/copy.rs"]
mod copy;
#[path = "hot_loop/frames.rs"]
mod frames;
#[path = "hot_loop/measure.rs"]
mod measure;
#[path = "hot_loop/mix.rs"]
mod mix;
#[path = "against/peer.rs"]
mod peer;
#[path = "hot_loop/row.rs"]
mod row;
#[path = "hot_loop/stage.rs"]
mod stage;
#[path = "../tests/kernel_differential/tun.rs"]
mod tun;

use std::process::ExitCode;

use measure::{Effort, LOOK_UP, Series, beside};
use peer::spec::Spec;
use row::{Better, Row, ratios};
use stage::{Failure, Stage};

/// Bar and goal: a packet against one look-up with two atomic additions.
const BAR: f64 = 2.0;
const GOAL: f64 = 1.6;
/// Bar: headers read from a copy, against the same in one piece.
const COPY_BAR: f64 = 2.0;

const NET: &str = "net of the empty program";

const FULL: Effort = Effort {
    rounds: 15,
    repeat: 1_000_000,
    stamps: 20_000,
    writes: 20_000,
};
const QUICK: Effort = Effort {
    rounds: 7,
    repeat: 100_000,
    stamps: 4_000,
    writes: 2_000,
};

fn main() -> ExitCode {
    command::run([FULL, QUICK], measured)
}

fn measured(effort: Effort, peers: &[Spec]) -> Result<Vec<Row>, Failure> {
    let cases = cases::all();
    let plain = cases.first().ok_or("measure: no cases")?;
    let mut rows = kinds(&cases, peers, effort)?;
    rows.extend(copies(effort)?);
    rows.extend(many(plain, peers, effort)?);
    Ok(rows)
}

/// Every kind of packet of one flow.
fn kinds(cases: &[cases::Case], peers: &[Spec], effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut stage = Stage::new(cases::PODS, None)?.beside(peers)?;
    stage.assign(cases::PODS_6, stage::PATH)?;
    measure::verify(&mut stage, cases)?;
    let (gross, steady) = measure::steady(&mut stage, cases, effort)?;
    let single = match cases.first() {
        Some(case) => measure::new_stamps(&mut stage, case, effort)?,
        None => Vec::new(),
    };
    let look_up = named(&steady, LOOK_UP)?;
    let mut rows = vec![Row::of("hot_empty", "ns", "gross", &gross)];
    rows.extend(steady.iter().map(|series| net(series, NET)));
    for case in cases {
        let ours = named(&steady, case.name)?;
        let runs = ratios(&ours.net, &look_up.net);
        let row = Row::of(
            &format!("hot_{}_ratio", case.name),
            "1",
            "one look-up, both net",
            &runs,
        );
        rows.push(if case.has_bar {
            row.with_bar(Better::Lower, BAR, GOAL, &runs)
        } else {
            row
        });
        if !case.is_comparable() {
            continue;
        }
        let compared = beside_peers(ours, &steady, peers)?.into_iter().enumerate();
        for (place, row) in compared {
            rows.push(row.noted(measure::fate(&mut stage, case, place)?));
        }
    }
    rows.extend(nested_by_plain(&steady, peers)?);
    let alone = |series| net(series, NET).noted("one packet per run");
    rows.extend(single.iter().map(alone));
    Ok(rows)
}

/// Headers that have to be copied.
fn copies(effort: Effort) -> Result<Vec<Row>, Failure> {
    const IN_SITU: &str = "net of the empty program, by the kernel's statistics on a TUN device";
    let (gross, series) = copy::measure(effort)?;
    let (direct, copied) = (named(&series, copy::DIRECT)?, named(&series, copy::COPIED)?);
    let runs = ratios(&copied.net, &direct.net);
    let mut rows = vec![Row::of("hot_tunnel_empty", "ns", "gross", &gross)];
    rows.extend(series.iter().map(|one| {
        let name = format!("tunnel_{}", one.name);
        let one = Series {
            name,
            net: one.net.clone(),
        };
        net(&one, IN_SITU)
    }));
    rows.push(
        Row::of(
            "hot_tunnel_copied_ratio",
            "1",
            "the same headers in one piece, both net",
            &runs,
        )
        .with_bar(Better::Lower, COPY_BAR, COPY_BAR, &runs),
    );
    Ok(rows)
}

/// Many flows in scattered order.
fn many(case: &cases::Case, peers: &[Spec], effort: Effort) -> Result<Vec<Row>, Failure> {
    let (gross, series) = mix::measure(case, peers, effort)?;
    let (ours, look_up) = (named(&series, mix::OURS)?, named(&series, mix::LOOK_UP)?);
    let runs = ratios(&ours.net, &look_up.net);
    let mut rows = vec![Row::of("hot_flows_60000_empty", "ns", "gross", &gross)];
    rows.extend(series.iter().map(|series| net(series, NET)));
    rows.push(Row::of(
        "hot_flows_60000_ratio",
        "1",
        "one look-up in as many scattered flows, both net",
        &runs,
    ));
    rows.extend(beside_peers(ours, &series, peers)?);
    Ok(rows)
}

/// Ours against each peer on the same frames.
fn beside_peers(ours: &Series, all: &[Series], peers: &[Spec]) -> Result<Vec<Row>, Failure> {
    let rows = peers.iter().map(|peer| {
        let theirs = named(all, &beside(&ours.name, &peer.label))?;
        let name = format!("hot_{}_by_{}", ours.name, peer.label);
        let against = format!("{} of {}, both net", peer.ingress, peer.file());
        Ok(Row::of(
            &name,
            "1",
            &against,
            &ratios(&ours.net, &theirs.net),
        ))
    });
    rows.collect()
}

/// Ours on the nested packet against each peer on the plain one: most look at nothing inside VXLAN.
fn nested_by_plain(steady: &[Series], peers: &[Spec]) -> Result<Vec<Row>, Failure> {
    let ours = named(steady, cases::NESTED)?;
    let rows = peers.iter().map(|peer| {
        let theirs = named(steady, &beside(cases::PLAIN, &peer.label))?;
        let name = format!("hot_nested_by_{}", peer.label);
        let against = format!("{} of {} on the plain packet", peer.ingress, peer.file());
        let row = Row::of(&name, "1", &against, &ratios(&ours.net, &theirs.net));
        Ok(row.noted("ours on the one nested in VXLAN, both net"))
    });
    rows.collect()
}

fn net(series: &Series, against: &str) -> Row {
    Row::of(&format!("hot_{}", series.name), "ns", against, &series.net)
}

fn named<'a>(series: &'a [Series], name: &str) -> Result<&'a Series, Failure> {
    let found = series.iter().find(|series| series.name == name);
    Ok(found.ok_or_else(|| format!("measure: no series `{name}`"))?)
}
