//! Cost of one packet in the programs by `BPF_PROG_TEST_RUN`, net of an empty program and against
//! one LRU look-up of the same run. Needs root. `cargo xtask bench` calls it.

#[path = "hot_loop/cases.rs"]
mod cases;
#[path = "hot_loop/command.rs"]
mod command;
#[path = "hot_loop/measure.rs"]
mod measure;
#[path = "hot_loop/row.rs"]
mod row;
#[path = "hot_loop/stage.rs"]
mod stage;

use std::process::ExitCode;

use measure::{Effort, LOOK_UP, Series};
use row::{Better, Row};
use stage::{Failure, Stage};

/// Bar and goal of the issue: a packet against one look-up with two atomic additions.
const BAR: f64 = 2.0;
const GOAL: f64 = 1.6;

const FULL: Effort = Effort {
    rounds: 15,
    repeat: 1_000_000,
    stamps: 20_000,
};
const QUICK: Effort = Effort {
    rounds: 7,
    repeat: 200_000,
    stamps: 4_000,
};

fn main() -> ExitCode {
    command::run([FULL, QUICK], measured)
}

fn measured(effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut stage = Stage::new(cases::PODS, None)?;
    let cases = cases::all();
    measure::verify(&mut stage, &cases)?;
    let (gross, steady) = measure::steady(&mut stage, &cases, effort)?;
    let single = match cases.first() {
        Some(case) => measure::new_stamps(&mut stage, case, effort)?,
        None => Vec::new(),
    };
    let look_up = steady.iter().find(|series| series.name == LOOK_UP);
    let look_up = look_up.ok_or("measure: the yardstick is missing")?;
    let mut rows = vec![Row::of("hot_empty", "ns", "gross", &gross)];
    rows.extend(steady.iter().map(net));
    for case in &cases {
        if let Some(series) = steady.iter().find(|series| series.name == case.name) {
            rows.push(ratio(series, look_up, case.has_bar));
        }
    }
    let alone = |series| net(series).noted("one packet per run");
    rows.extend(single.iter().map(alone));
    Ok(rows)
}

fn net(series: &Series) -> Row {
    let name = format!("hot_{}", series.name);
    Row::of(&name, "ns", "net of the empty program", &series.net)
}

fn ratio(series: &Series, look_up: &Series, has_bar: bool) -> Row {
    let runs: Vec<f64> = series
        .net
        .iter()
        .zip(&look_up.net)
        .map(|(ours, yardstick)| ours / yardstick)
        .collect();
    let name = format!("hot_{}_ratio", series.name);
    let row = Row::of(&name, "1", "one look-up, both net", &runs);
    if has_bar {
        row.with_bar(Better::Lower, BAR, GOAL, &runs)
    } else {
        row
    }
}
