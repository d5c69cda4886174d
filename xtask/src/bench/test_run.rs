//! Runs a benchmark of the agent that measures by test run, and reads its rows.

use std::path::Path;
use std::process::Command;

use super::row::Row;
use super::spec::Spec;
use super::{BenchError, capture};
use crate::report;

/// The rows of a benchmark.
pub(super) fn rows(program: &Path, quick: bool, against: &[Spec]) -> Result<Vec<Row>, BenchError> {
    let mut command = Command::new(program);
    command.args(["--format", "json"]);
    for peer in against {
        command.args(["--against", &peer.text]);
    }
    if quick {
        command.arg("--quick");
    }
    let text = capture(&mut command)?;
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>().map_err(|cause| {
        BenchError::io(format!("read the rows of `{}`", report::typed(&command)))(cause.into())
    })
}

/// Fails, with the reason above, if something to be compared with cannot be loaded: before minutes of
/// measuring.
pub(super) fn check(program: &Path, against: &[Spec]) -> Result<(), BenchError> {
    if against.is_empty() {
        return Ok(());
    }
    let mut command = Command::new(program);
    command.arg("--check");
    for peer in against {
        command.args(["--against", &peer.text]);
    }
    capture(&mut command).map(|_| ())
}
