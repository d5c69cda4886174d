//! The trial run: builds the agent, then shows this machine's pod paths, or a lab's when it has
//! none. It never leaves anything behind on the machine.

mod ground;
mod options;

pub use options::{Format, RunArgs};

use crate::cli::exit::Exit;
use crate::command::{self, CommandError};
use crate::report;
use ground::Ground;

/// Why the trial run did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The agent could not be built.
    #[error("build the agent: {0}")]
    Build(#[from] CommandError),
}

/// Builds the agent and runs it on the ground that this machine offers.
///
/// # Errors
/// When the agent cannot be built.
pub fn run(options: &RunArgs) -> Result<Exit, RunError> {
    let mut build = command::cargo();
    build.args(["build", "--release", "--locked", "--package", "observer"]);
    command::run(&mut build)?;
    match Ground::look() {
        Ground::Node(devices) => {
            report::line(format_args!("pod network found: {}", devices.join(", ")));
        }
        Ground::Lab => report::line(format_args!(
            "no pod network on this machine (none of {}): showing the lab, {} beside H2",
            ground::DEVICES.join(", "),
            options.scenario.name().to_uppercase(),
        )),
    }
    report::error(
        "`run` stops here: attaching and the live table come with a later piece of part 1",
    );
    Ok(Exit::Usage)
}
