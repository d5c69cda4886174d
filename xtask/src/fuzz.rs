//! `cargo xtask fuzz`: coverage-guided fuzzing of everything that reads bytes from elsewhere. Builds
//! the fuzzer of `observer/fuzz`, gives each target its first inputs, lets libFuzzer look for more,
//! and keeps what makes a target fail as an input of the ordinary tests.

mod build;
mod corpus;
mod engine;
mod error;
mod keep;
mod said;
mod table;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::cli::exit::Exit;
use crate::fuzz_target::Target;
use crate::run::duration;
use crate::traffic::Stop;
use crate::{interrupt, report};
use corpus::Corpus;
pub use error::FuzzError;
use table::Row;

/// The fuzzer's manifest, from the root: a workspace of its own.
pub(crate) const MANIFEST: &str = "observer/fuzz/Cargo.toml";
/// Where inputs are kept that made a target fail, by target.
const KEPT: &str = "observer/fuzz/regressions";
/// Below, nothing has begun.
const LEAST: Duration = Duration::from_secs(1);

/// Options of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// How long each target is fuzzed, such as 60s or 10min
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = time)]
    pub time: Duration,
    /// One target alone: frame, captures, bundle, netlink, records or settings
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = targets)]
    pub target: Targets,
    /// Repeats the choice of inputs; random without it
    #[arg(long)]
    pub seed: Option<u32>,
}

/// The targets that are fuzzed.
#[derive(Clone, Debug)]
pub struct Targets(Vec<Target>);

fn time(text: &str) -> Result<Duration, String> {
    let time = duration(text).map_err(|error| error.to_string())?;
    if time < LEAST {
        return Err("at least 1s".to_owned());
    }
    Ok(time)
}

fn targets(text: &str) -> Result<Targets, String> {
    if text == "all" {
        return Ok(Targets(Target::ALL.to_vec()));
    }
    let target = Target::named(text).ok_or_else(|| {
        let names: Vec<_> = Target::ALL.iter().map(|target| target.name()).collect();
        format!("there are {} and all", names.join(", "))
    })?;
    Ok(Targets(vec![target]))
}

/// Fuzzes, and prints what each target took and how it ended. Failed if one crashed or its first
/// inputs do not reach everything.
///
/// # Errors
/// When the fuzzer cannot be built or does not run.
pub fn run(options: &FuzzArgs) -> Result<Exit, FuzzError> {
    let stop = interrupt::watch().map_err(FuzzError::Signals)?;
    let program = build::fuzzer()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u32(1..));
    report::progress(format_args!("seed {seed}"));
    let mut rows = Vec::new();
    for &target in &options.target.0 {
        if stop.is_set() {
            break;
        }
        rows.push(fuzz(&program, target, (options.time, seed), &stop)?);
    }
    report::line(table::render(&rows));
    let is_good = rows.iter().all(Row::is_good);
    Ok(if is_good { Exit::Done } else { Exit::Failed })
}

fn fuzz(
    program: &Path,
    target: Target,
    (time, seed): (Duration, u32),
    stop: &Stop,
) -> Result<Row, FuzzError> {
    let corpus = Corpus::begin(program, target, seed)?;
    let outcomes = corpus.outcomes(program);
    if let Some(outcomes) = &outcomes {
        report::line(table::outcomes(target.name(), outcomes));
    }
    let ran = engine::run(program, &corpus, (time, seed), stop)?;
    let kept = match &ran.crash {
        Some(input) => Some(keep::keep(program, target, input)?),
        None => None,
    };
    Ok(Row {
        target: target.name(),
        missing: outcomes.map_or_else(
            || vec!["any: they were not measured".to_owned()],
            |all| all.missing,
        ),
        said: ran.said,
        kept,
    })
}
