//! The verbs of the lab with real components. It builds nothing itself.

use std::time::Duration;

use clap::Args;

use crate::cli::exit::Exit;
use crate::lab::LabError;
use crate::real::state::NAME;
use crate::real::{RealError, RealLab, scenario, verify};
use crate::report;
use crate::run::duration;

/// Which scenarios with real components, and how long each.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Scenarios; `cargo xtask lab list` names them
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub scenarios: Vec<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// How long traffic runs, as in 6s
    #[arg(long = "for", value_name = "TIME", default_value = "6s", value_parser = duration)]
    pub duration: Duration,
    /// Deals roles and addresses; random without it
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Brings a scenario up and leaves it.
pub(super) fn up(scenario: &str, seed: Option<u64>) -> Result<(), LabError> {
    let scenario = scenario::find(scenario).map_err(LabError::Options)?;
    let lab = RealLab::up(scenario, seed.unwrap_or_else(scenario::any_seed))?;
    let summary = lab.summary()?;
    lab.keep()?;
    report::line(summary);
    report::line(format_args!("remove it with: cargo xtask lab down {NAME}"));
    Ok(())
}

/// The scenarios that were named.
fn chosen(names: &[String], all: bool) -> Result<Vec<&'static scenario::Scenario>, LabError> {
    if all {
        return Ok(scenario::ALL.to_vec());
    }
    let found = names.iter().map(|name| scenario::find(name));
    found.collect::<Result<_, _>>().map_err(LabError::Options)
}

/// Prints the matrix.
pub(super) fn verify(options: &VerifyArgs) -> Result<Exit, RealError> {
    report::line("scenario     with its fault               fault undone");
    let mut exit = Exit::Done;
    for scenario in chosen(&options.scenarios, options.all)? {
        let seed = options.seed.unwrap_or_else(scenario::any_seed);
        let row = verify::verify(scenario, seed, options.duration)?;
        if !row.is_right() {
            exit = Exit::Failed;
        }
        report::line(row);
    }
    Ok(exit)
}
