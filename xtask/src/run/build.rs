//! Builds the agent with the workspace's one profile, and the receiver beside it where it is wanted,
//! and finds out where they are.

use std::path::PathBuf;

use serde::Deserialize;

use super::RunError;
use crate::command;
use crate::report;
use crate::sink;

/// Name of the agent's program.
const OBSERVER: &str = "observer";

/// The agent and what it sends its telemetry to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The agent.
    pub observer: PathBuf,
    /// The receiver of OTLP.
    pub sink: PathBuf,
}

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
    executable(&cargo(&[])?, OBSERVER)
}

/// Builds the observer and the receiver of OTLP by one call of cargo, which shows its progress on
/// standard error.
///
/// # Errors
/// When they cannot be built, or cargo does not say where they are.
pub fn observer_and_sink() -> Result<Programs, RunError> {
    let said = cargo(&["--bin", OBSERVER, "--example", sink::EXAMPLE])?;
    Ok(Programs {
        observer: executable(&said, OBSERVER)?,
        sink: executable(&said, sink::EXAMPLE)?,
    })
}

/// Builds these targets of the observer's crate; cargo's messages.
fn cargo(targets: &[&str]) -> Result<String, RunError> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--locked", "--package", "observer"]);
    cargo.args(targets);
    report::command(&cargo);
    cargo.arg("--message-format=json-render-diagnostics");
    Ok(command::capture(&mut cargo)?)
}

/// The path of this program in cargo's messages.
fn executable(messages: &str, name: &'static str) -> Result<PathBuf, RunError> {
    let found = messages.lines().find_map(|line| {
        let message: Message = serde_json::from_str(line).ok()?;
        (message.target?.name == name)
            .then_some(message.executable)
            .flatten()
    });
    found.ok_or(RunError::NoExecutable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"{"target":{"name":"observer"},"executable":null}
{"target":{"name":"build-script-build"},"executable":"/t/b"}
not json
{"target":{"name":"observer"},"executable":"/t/observer"}
{"target":{"name":"otlp_sink"},"executable":"/t/examples/otlp_sink"}
{"reason":"build-finished"}"#;

    #[test]
    fn each_program_is_found_by_its_own_name() {
        let found = |name| executable(MESSAGES, name).ok();
        assert_eq!(found("observer"), Some("/t/observer".into()));
        assert_eq!(found("otlp_sink"), Some("/t/examples/otlp_sink".into()));
    }

    #[test]
    fn a_program_that_cargo_does_not_name_is_an_error_that_names_it() {
        let library = r#"{"target":{"name":"observer"},"executable":null}"#;
        let error = executable(library, OBSERVER).expect_err("a library alone");
        assert!(error.to_string().contains("`observer`"), "{error}");
        assert!(executable("", sink::EXAMPLE).is_err());
    }
}
