//! `cargo xtask test --real`: every scenario of the real lab under observers, one row each. The table
//! of what they gave is printed whole.

use std::fs;
use std::time::{Duration, Instant};

use super::score::Score;
use super::skips::Skip;
use crate::lab::LabError;
use crate::real::observe::{Run, observe};
use crate::real::scenario::{self, Scenario};
use crate::real::{RealError, interrupt, needs};
use crate::report;
use crate::run::{Programs, observer_and_sink};
use crate::workspace_root;

/// How long traffic runs in a scenario.
const TRAFFIC: Duration = Duration::from_secs(10);

/// Runs every scenario whose name the filter fits.
pub(super) fn run_all(filter: Option<&str>) -> Result<Vec<Score>, RealError> {
    let is_meant = |scenario: &&&Scenario| filter.is_none_or(|text| name(scenario).contains(text));
    let scenarios: Vec<&Scenario> = scenario::ALL.iter().filter(is_meant).copied().collect();
    if scenarios.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(lack) = needs::lack() {
        let skipped = scenarios.into_iter();
        return Ok(skipped
            .map(|scenario| skipped_row(scenario, &lack))
            .collect());
    }
    let programs = observer_and_sink()?;
    interrupt::remove_lab_on_signal().map_err(|cause| LabError::io("watch for signals", cause))?;
    let rows = scenarios.into_iter();
    Ok(rows.map(|scenario| row(scenario, &programs)).collect())
}

/// Runs one, shows what was given, and counts.
fn row(scenario: &'static Scenario, programs: &Programs) -> Score {
    let begun = Instant::now();
    let bundles = workspace_root().join("target/real-lab/bundles");
    let run = Run {
        seed: scenario::any_seed(),
        duration: TRAFFIC,
        record: Some(bundles.clone()),
    };
    let failed = match observe(scenario, &run, programs) {
        Ok(observed) => {
            report::line(&observed);
            if observed.is_right() {
                // Bundles are for whoever has to find out what was wrong.
                match fs::remove_dir_all(bundles.join(format!("{}-{}", scenario.id, run.seed))) {
                    Ok(()) => Vec::new(),
                    Err(cause) => vec![format!("remove its bundles: {cause}")],
                }
            } else {
                vec!["not as expected, see above".to_owned()]
            }
        }
        Err(cause) => vec![cause.to_string()],
    };
    Score {
        name: name(scenario),
        passed: usize::from(failed.is_empty()),
        failed,
        took: begun.elapsed(),
        ..Score::default()
    }
}

fn skipped_row(scenario: &Scenario, lack: &str) -> Score {
    let skip = Skip {
        test: format!("real::{}", scenario.id),
        reason: lack.to_owned(),
    };
    Score {
        name: name(scenario),
        skipped: vec![skip],
        ..Score::default()
    }
}

/// The row's name.
fn name(scenario: &Scenario) -> String {
    format!("real {}: {}", scenario.id, scenario.title)
}
