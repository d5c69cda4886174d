//! Runs the agent's hot-loop benchmark and reads its rows.

use std::process::{Command, Stdio};

use super::binaries::Binaries;
use super::row::Row;
use super::{BenchError, progress};
use crate::command::CommandError;
use crate::report;

/// The rows of the hot loop.
pub(super) fn rows(binaries: &Binaries, quick: bool) -> Result<Vec<Row>, BenchError> {
    let mut command = Command::new(&binaries.hot_loop);
    command.args(["--format", "json"]);
    if quick {
        command.arg("--quick");
    }
    let typed = report::typed(&command);
    progress(format_args!("$ {typed}"));
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| CommandError::Start {
            command: typed.clone(),
            source,
        })?;
    if !output.status.success() {
        let status = output.status;
        return Err(CommandError::Failed {
            command: typed,
            status,
        }
        .into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>()
        .map_err(|cause| BenchError::io(format!("read the rows of `{typed}`"))(cause.into()))
}
