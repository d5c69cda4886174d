//! Runs a benchmark of the agent that measures by test run, and reads its rows.

use std::path::Path;
use std::process::Command;

use super::row::Row;
use super::{BenchError, capture};
use crate::report;

/// The rows of a benchmark.
pub(super) fn rows(program: &Path, quick: bool) -> Result<Vec<Row>, BenchError> {
    let mut command = Command::new(program);
    command.args(["--format", "json"]);
    if quick {
        command.arg("--quick");
    }
    let text = capture(&mut command)?;
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>().map_err(|cause| {
        BenchError::io(format!("read the rows of `{}`", report::typed(&command)))(cause.into())
    })
}
