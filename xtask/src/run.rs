//! The trial run: builds the agent, then shows this machine's pod paths, or a lab's when it has
//! none. It never leaves anything behind on the machine.

mod agent;
mod build;
mod error;
mod ground;
mod live;
mod load;
mod node;
mod number;
mod options;
mod outcome;
mod render;
mod services;
mod site;
mod trial;

pub use build::{Programs, observer_and_sink};
pub use error::RunError;
pub(crate) use options::duration;
pub use options::{Format, RunArgs};

use std::path::Path;

use crate::cli::exit::Exit;
use crate::{interrupt, report};
use ground::Ground;

/// Builds the agent and runs it on the ground that this machine offers.
///
/// # Errors
/// When the agent cannot be built, or the trial cannot be brought to its result.
pub fn run(options: &RunArgs) -> Result<Exit, RunError> {
    let ground = match options.scenario {
        None => Ground::look(),
        Some(_) => Ground::Lab,
    };
    report::progress(ground.describe(options.scenario));
    let program = build::observer()?;
    match ground {
        Ground::Node(_) => node::run(&program, options),
        Ground::Lab => in_the_lab(&program, options),
    }
}

/// Runs the trial, shows its outcome, and says so when it was cut short.
fn in_the_lab(program: &Path, options: &RunArgs) -> Result<Exit, RunError> {
    let stop = interrupt::watch().map_err(RunError::Signals)?;
    let driven = trial::drive(program, options, &stop);
    if matches!(driven, Err(RunError::Interrupted)) {
        report::error(RunError::Interrupted);
        return Ok(Exit::Failed);
    }
    let outcome = driven?;
    match options.format {
        Format::Table => report::line(render::render(&outcome).trim_end()),
        Format::Json => report::line(serde_json::to_string_pretty(&outcome)?),
    }
    Ok(Exit::Done)
}
