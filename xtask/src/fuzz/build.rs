//! Builds the fuzzer with the compiler that builds everything else: its pass for coverage needs no
//! nightly, which a sanitizer would.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{FuzzError, MANIFEST};
use crate::command::{self, CommandError, Event};
use crate::report;
use crate::setup::progress::Progress;

/// From nothing on two cores.
const LIMIT: Duration = Duration::from_mins(45);

/// Coverage of edges in counters that libFuzzer reads, with the operands of comparisons for it to
/// learn from, by way of the fuzzer (`observer/fuzz/src/compares.rs`); and the name by which crates
/// know a fuzzer's build.
const INSTRUMENTATION: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    concat!(
        "-Clink-arg=-Wl,",
        "--wrap=__sanitizer_cov_trace_cmp2,--wrap=__sanitizer_cov_trace_const_cmp2,",
        "--wrap=__sanitizer_cov_trace_cmp4,--wrap=__sanitizer_cov_trace_const_cmp4,",
        "--wrap=__sanitizer_cov_trace_cmp8,--wrap=__sanitizer_cov_trace_const_cmp8,",
        "--wrap=__sanitizer_cov_trace_switch",
    ),
    "--cfg",
    "fuzzing",
];

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// The fuzzer, built. A target triple keeps the flags from build scripts.
pub(super) fn fuzzer() -> Result<PathBuf, FuzzError> {
    let mut cargo = command::cargo();
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        MANIFEST,
    ]);
    cargo.args(["--target", "host-tuple", "--target-dir", "target/fuzz"]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", INSTRUMENTATION.join(" "));
    report::command(&cargo);
    let mut progress = Progress::start("build the fuzzer, minutes the first time");
    let (mut program, mut complaints) = (None, Vec::new());
    let ended = command::follow(&mut cargo, LIMIT, |event| match event {
        Event::Output(line) => {
            let message: Option<Message> = serde_json::from_str(line).ok();
            program = message
                .and_then(|message| message.executable)
                .or(program.take());
        }
        Event::Complaint(line) => {
            progress.tell(line);
            progress.tick();
            complaints.push(line.to_owned());
        }
        Event::Tick => progress.tick(),
    })?;
    if !ended.status.success() {
        progress.finish("failed");
        report::error(complaints.join("\n"));
        return Err(FuzzError::Command(CommandError::Failed {
            command: report::typed(&cargo),
            status: ended.status,
        }));
    }
    progress.finish("done");
    program.ok_or(FuzzError::Missing)
}
