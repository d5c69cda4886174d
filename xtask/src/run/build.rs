//! Builds the agent with the workspace's one profile and finds out where it is.

use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;

use super::RunError;
use crate::command::{self, CommandError};
use crate::report;

#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the observer; cargo shows its progress on standard error. Returns its path.
pub(super) fn observer() -> Result<PathBuf, RunError> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--locked", "--package", "observer"]);
    report::command(&cargo);
    let typed = report::typed(&cargo);
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| CommandError::Start {
            command: typed.clone(),
            source,
        })?;
    if !output.status.success() {
        let (command, status) = (typed, output.status);
        return Err(CommandError::Failed { command, status }.into());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(executable)
        .ok_or(RunError::NoExecutable)
}

/// The observer's path in one of cargo's messages.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    (message.target?.name == "observer")
        .then_some(message.executable)
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_observers_program_is_taken() {
        let line = |name: &str, executable: &str| {
            format!(r#"{{"target":{{"name":"{name}"}},"executable":{executable}}}"#)
        };
        assert_eq!(
            executable(&line("observer", "\"/t/observer\"")),
            Some("/t/observer".into())
        );
        assert_eq!(executable(&line("observer", "null")), None, "its library");
        assert_eq!(executable(&line("build-script-build", "\"/t/b\"")), None);
        assert_eq!(executable(r#"{"reason":"build-finished"}"#), None);
    }
}
