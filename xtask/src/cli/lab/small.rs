//! `lab observe --small`: the scenarios of the small lab under observers and recorders.

use std::path;

use super::real::ObserveArgs;
use crate::cli::exit::Exit;
use crate::lab::{LabError, Options, Scenario};
use crate::report;
use crate::run::{RunError, observer_and_sink};
use crate::setup;
use crate::small::{self, Run};

/// Prints what replays said beside what observers said.
pub(super) fn observe(options: &ObserveArgs) -> Result<Exit, RunError> {
    let chosen = &options.chosen;
    let scenarios = if chosen.all {
        Scenario::ALL.to_vec()
    } else {
        let parsed = chosen
            .scenarios
            .iter()
            .map(|name| name.to_lowercase().parse());
        parsed
            .collect::<Result<_, String>>()
            .map_err(LabError::Options)?
    };
    setup::ensure().map_err(|cause| LabError::Refused(cause.to_string()))?;
    let record = options.record.as_deref().map(path::absolute).transpose();
    let record = record.map_err(|cause| LabError::io("find the folder for bundles", cause))?;
    let programs = observer_and_sink()?;
    let mut all_right = true;
    for scenario in scenarios {
        let run = Run {
            seed: chosen.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            duration: options.duration,
            record: record.clone(),
            name: format!("observe-{}", scenario.name()),
        };
        match small::observe(Options::new(scenario), &run, &programs.observer) {
            Ok(observed) => {
                all_right &= observed.is_right();
                report::line(observed);
            }
            Err(cause) => {
                all_right = false;
                let (name, seed) = (scenario.name(), run.seed);
                report::line(format_args!("{name:<5} BROKEN {cause}; seed {seed}"));
            }
        }
    }
    Ok(if all_right { Exit::Done } else { Exit::Failed })
}
