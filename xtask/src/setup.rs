//! Makes the kernel tool chain ready: looks at the machine, plans what is missing, does it.
//! It never touches the network when nothing is missing, and never asks a question.

pub mod execution;
pub mod machine;
pub mod plan;
pub mod progress;

use std::time::Instant;

use crate::report;
use crate::toolchain::Toolchain;
use machine::Machine;
use plan::{CannotServe, Plan, Way};

/// Why the set-up did not make the machine ready.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// This machine cannot be served; the message holds the commands to type.
    #[error(transparent)]
    CannotServe(#[from] CannotServe),
    /// A step was started and failed for a reason that is not the machine's kind.
    #[error("{step}: {cause}")]
    Step {
        /// What was attempted.
        step: String,
        /// The last lines of its output.
        cause: String,
    },
    /// Every step succeeded, and still the tool chain is not complete.
    #[error("check the tool chain after the set-up: {0}")]
    StillMissing(String),
}

/// Makes the machine ready and says in one line with what; does nothing when it already is.
///
/// # Errors
/// When a step fails or this machine cannot be served.
pub fn ensure() -> Result<(), SetupError> {
    let started = Instant::now();
    match plan::plan(&Machine::look())? {
        Plan::Ready(way) => say_ready(way, "nothing to do", started),
        Plan::Steps { why, steps } => {
            report::progress(format_args!("set-up: {why}"));
            report::progress(format_args!(
                "set-up: {} step(s), minutes the first time",
                steps.len()
            ));
            for step in &steps {
                execution::execute(step)?;
            }
            let way = Toolchain::find().map(|found| Way::of(&found));
            say_ready(way.map_err(SetupError::StillMissing)?, "set up", started);
        }
    }
    Ok(())
}

/// Makes sure of a C++ compiler, which the fuzzer's engine is built with.
///
/// # Errors
/// When there is none, and it cannot be installed.
pub fn ensure_cxx() -> Result<(), SetupError> {
    if machine::has_cxx() {
        return Ok(());
    }
    for step in plan::install(&Machine::look(), vec!["g++"], "  cargo xtask fuzz")? {
        execution::execute(&step)?;
    }
    if machine::has_cxx() {
        return Ok(());
    }
    Err(SetupError::StillMissing("there is no `c++`".to_owned()))
}

fn say_ready(way: Way, done: &str, started: Instant) {
    let took = report::seconds(started.elapsed());
    report::progress(format_args!(
        "tool chain ready ({done}, {took}): {}",
        way.reason()
    ));
}
