//! The trial run on a machine with a pod network: this process becomes the observer, which attaches
//! to the devices, prints, and detaches at Ctrl-C. Its exit code is the observer's own.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::{Format, RunArgs, RunError};
use crate::cli::exit::Exit;
use crate::report;

/// Becomes the observer; returns only when that fails.
pub(super) fn run(program: &Path, options: &RunArgs) -> Result<Exit, RunError> {
    let mut defaults = vec![("--format", format_name(options.format).to_owned())];
    if let Some(time) = options.time {
        defaults.push(("--for", format!("{}ms", time.as_millis())));
    }
    let mut command = Command::new(program);
    command.arg("run").args(options.agent_arguments(&defaults));
    report::command(&command);
    Err(RunError::Start {
        program: program.display().to_string(),
        source: command.exec(),
    })
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Table => "table",
        Format::Json => "json",
    }
}
