//! Runs the agent's hot-loop benchmark and reads its rows.

use std::process::Command;

use super::binaries::Binaries;
use super::row::Row;
use super::{BenchError, capture};
use crate::report;

/// The rows of the hot loop.
pub(super) fn rows(binaries: &Binaries, quick: bool) -> Result<Vec<Row>, BenchError> {
    let mut command = Command::new(&binaries.hot_loop);
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
