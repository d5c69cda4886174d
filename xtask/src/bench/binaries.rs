//! Builds the agent and its benchmarks as they are released, and learns from cargo where they are.

use std::path::PathBuf;

use serde::Deserialize;

use super::{BenchError, capture};
use crate::command;

/// What is measured and what it is measured with.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    /// The agent.
    pub(super) observer: PathBuf,
    /// The hot loop.
    pub(super) hot_loop: PathBuf,
    /// The helper that hangs programs on a device.
    pub(super) hook: PathBuf,
    /// New flows, and reading many.
    pub(super) load: PathBuf,
    /// A receiver of OTLP.
    pub(super) collector: PathBuf,
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

impl Binaries {
    /// Builds all of them; the agent's binary comes with its benchmarks.
    pub(super) fn build() -> Result<Self, BenchError> {
        let mut cargo = command::cargo();
        cargo.args(["bench", "--no-run", "--locked", "--package", "observer"]);
        for bench in ["hot_loop", "hook", "load", "collector"] {
            cargo.args(["--bench", bench]);
        }
        cargo.arg("--message-format=json-render-diagnostics");
        let text = capture(&mut cargo)?;
        let made = executables(&text);
        let find = |what| {
            let own = made.iter().find(|(name, _)| name == what);
            own.map(|(_, path)| path.clone())
                .ok_or(BenchError::Missing { what })
        };
        Ok(Self {
            observer: find("observer")?,
            hot_loop: find("hot_loop")?,
            hook: find("hook")?,
            load: find("load")?,
            collector: find("collector")?,
        })
    }
}

/// Name and path of every executable that cargo's messages announce.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .filter_map(|message| Some((message.target?.name, message.executable?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_artifacts_with_an_executable_count() {
        let text = r#"{"reason":"compiler-artifact","target":{"name":"observer"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"hook"},"executable":"/t/hook-1"}
{"reason":"build-finished","success":true}
not json"#;
        assert_eq!(
            executables(text),
            [("hook".to_owned(), PathBuf::from("/t/hook-1"))]
        );
    }
}
