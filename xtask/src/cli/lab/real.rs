//! The verbs of the lab with real components. It builds nothing itself.

use std::path::{self, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::exit::Exit;
use crate::lab::LabError;
use crate::real::observe::Run;
use crate::real::scenario::Scenario;
use crate::real::state::NAME;
use crate::real::{RealError, RealLab, interrupt, needs, observe, scenario, verify};
use crate::report;
use crate::run::{duration, observer_and_sink};

/// Echo requests run for a second before the rest of the traffic.
const LEAST: Duration = Duration::from_secs(3);

/// Which scenarios, and how.
#[derive(Debug, Clone, Args)]
pub struct Chosen {
    /// Scenarios; `cargo xtask lab list` names them
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub scenarios: Vec<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Deals roles and addresses; random without it
    #[arg(long)]
    pub seed: Option<u64>,
}

/// What `lab verify` does.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Which ones.
    #[command(flatten)]
    pub chosen: Chosen,
    /// How long traffic runs, as in 6s
    #[arg(long = "for", value_name = "TIME", default_value = "6s", value_parser = traffic_time)]
    pub duration: Duration,
}

/// What `lab observe` does.
#[derive(Debug, Clone, Args)]
pub struct ObserveArgs {
    /// Which ones.
    #[command(flatten)]
    pub chosen: Chosen,
    /// How long traffic runs, as in 20s
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = traffic_time)]
    pub duration: Duration,
    /// Also record a bundle per node into this folder, and compare what their replay says
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// In the small lab, without real components: bundles are always recorded, and compared
    #[arg(long)]
    pub small: bool,
}

impl Chosen {
    /// Each scenario with the seed of its run.
    fn runs(&self) -> Result<Vec<(&'static Scenario, u64)>, LabError> {
        let chosen = scenario::chosen(&self.scenarios).map_err(LabError::Options)?;
        let seed = || self.seed.unwrap_or_else(scenario::any_seed);
        Ok(chosen.into_iter().map(|one| (one, seed())).collect())
    }
}

/// Brings a scenario up and leaves it.
pub(super) fn up(scenario: &str, seed: Option<u64>) -> Result<(), LabError> {
    let scenario = scenario::find(scenario).map_err(LabError::Options)?;
    clean_on_signal()?;
    let seed = seed.unwrap_or_else(scenario::any_seed);
    let built = || {
        let lab = RealLab::up(scenario, seed)?;
        lab.keep()?;
        RealLab::open()?.summary()
    };
    report::line(interrupt::unless_interrupted(built())?);
    report::line(format_args!("remove it with: cargo xtask lab down {NAME}"));
    Ok(())
}

/// Takes the fault of the lab that is up away.
pub(super) fn undo() -> Result<(), LabError> {
    let lab = RealLab::open()?;
    let id = lab.scenario().id;
    report::line(if lab.undo()? {
        format!("{id}: the fault is undone")
    } else {
        format!("{id} is healthy: there is no fault to undo")
    });
    Ok(())
}

/// Prints a row of the matrix for each scenario.
pub(super) fn verify(options: &VerifyArgs) -> Result<Exit, RealError> {
    let runs = options.chosen.runs()?;
    needs::programs()?;
    clean_on_signal()?;
    report::line(verify::HEADING);
    let mut all_right = true;
    for (scenario, seed) in runs {
        let row = verify::verify(scenario, seed, options.duration);
        match interrupt::unless_interrupted(row) {
            Ok(row) => {
                all_right &= row.is_right();
                report::line(row);
            }
            Err(cause) => {
                all_right = false;
                report::line(broken(scenario, seed, cause)?);
            }
        }
    }
    Ok(exit(all_right))
}

/// Prints what observers gave beside what was to be seen.
pub(super) fn observe(options: &ObserveArgs) -> Result<Exit, RealError> {
    let runs = options.chosen.runs()?;
    needs::programs()?;
    let programs = observer_and_sink()?;
    clean_on_signal()?;
    report::line(observe::HEADING);
    let record = options.record.as_deref().map(path::absolute).transpose();
    let record = record.map_err(|cause| LabError::io("find the folder for bundles", cause))?;
    let mut all_right = true;
    for (scenario, seed) in runs {
        let run = Run {
            seed,
            duration: options.duration,
            record: record.clone(),
        };
        let observed = observe::observe(scenario, &run, &programs);
        match interrupt::unless_interrupted(observed) {
            Ok(observed) => {
                all_right &= observed.is_right();
                report::line(observed);
            }
            Err(cause) => {
                all_right = false;
                report::line(broken(scenario, seed, cause)?);
            }
        }
    }
    Ok(exit(all_right))
}

/// The row of a scenario that could not be judged; those after it still are, unless somebody else's lab
/// is in the way.
fn broken(scenario: &Scenario, seed: u64, cause: RealError) -> Result<String, RealError> {
    if RealLab::is_there() {
        return Err(cause);
    }
    Ok(format!("{:<5} BROKEN {cause}; seed {seed}", scenario.id))
}

/// How long traffic runs: long enough for every kind of it.
fn traffic_time(text: &str) -> Result<Duration, String> {
    let time = duration(text).map_err(|cause| cause.to_string())?;
    if time < LEAST {
        let least = LEAST.as_secs();
        return Err(format!("run traffic for {text}: {least}s is the least"));
    }
    Ok(time)
}

fn clean_on_signal() -> Result<(), LabError> {
    interrupt::remove_lab_on_signal().map_err(|cause| LabError::io("watch for signals", cause))
}

fn exit(all_right: bool) -> Exit {
    if all_right { Exit::Done } else { Exit::Failed }
}
