//! Builds the test binaries and runs them one after the other, each with its own file for skips.
//! What they print is shown only when they fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use super::TestError;
use super::libtest::Transcript;
use super::score::{Emptiness, Ending, Score};
use super::skips;
use crate::command::{self, Ended, Event};
use crate::setup::progress::Progress;
use crate::skip::SKIPS_VARIABLE;
use crate::suites::{self, Suite};
use crate::{report, workspace_root};

/// A suite that takes longer hangs, and is ended.
const SUITE_LIMIT: Duration = Duration::from_mins(20);
/// Building everything from nothing on two cores.
const BUILD_LIMIT: Duration = Duration::from_mins(45);

/// Builds and runs every suite, and the examples in the documentation.
pub(super) fn run_all(filter: Option<&str>) -> Result<Vec<Score>, TestError> {
    let suites = match build()? {
        Ok(suites) => suites,
        Err(broken) => return Ok(vec![broken]),
    };
    let reports = workspace_root().join("target/netpath-skips");
    fs::create_dir_all(&reports).map_err(|source| TestError::Reports {
        path: reports.clone(),
        source,
    })?;
    let mut scores = Vec::new();
    for (index, suite) in suites.iter().enumerate() {
        scores.push(run_suite(suite, filter, &reports.join(index.to_string()))?);
    }
    scores.push(examples(filter)?);
    scores.retain(|score| !score.is_empty());
    Ok(scores)
}

/// Builds all test binaries; parallel suites come first.
fn build() -> Result<Result<Vec<Suite>, Score>, TestError> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-run"]);
    cargo.arg("--message-format=json-render-diagnostics");
    report::command(&cargo);
    let mut progress = Progress::start("build the tests");
    let mut suites = Vec::new();
    let mut complaints = Vec::new();
    let ended = command::follow(&mut cargo, BUILD_LIMIT, |event| match event {
        Event::Output(line) => suites.extend(suites::announced(line)),
        Event::Complaint(line) => {
            progress.tell(line);
            progress.tick();
            complaints.push(line.to_owned());
        }
        Event::Tick => progress.tick(),
    })?;
    progress.finish(if ended.status.success() {
        "done"
    } else {
        "failed"
    });
    if !ended.status.success() {
        report::line(complaints.join("\n"));
        return Ok(Err(Score::broken("build the tests", &in_words(&ended))));
    }
    suites.sort();
    Ok(Ok(suites))
}

fn run_suite(suite: &Suite, filter: Option<&str>, skips: &Path) -> Result<Score, TestError> {
    let mut binary = Command::new(&suite.executable);
    binary
        .current_dir(&suite.folder)
        .env("CARGO_MANIFEST_DIR", &suite.folder);
    if suite.serial {
        binary.arg("--test-threads=1");
    }
    binary.args(filter);
    let mut score = watch(&suite.name, &mut binary, Emptiness::Failure, skips)?;
    if !suite.serial {
        score.durations.clear();
    }
    Ok(score)
}

/// Examples in the documentation; a crate may have none.
fn examples(filter: Option<&str>) -> Result<Score, TestError> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--workspace", "--locked", "--doc"]);
    if let Some(filter) = filter {
        cargo.args(["--", filter]);
    }
    let skips = workspace_root().join("target/netpath-skips/examples");
    let mut score = watch(
        "documentation examples",
        &mut cargo,
        Emptiness::Allowed,
        &skips,
    )?;
    score.durations.clear();
    Ok(score)
}

/// Runs one test process, follows what it prints, and counts.
fn watch(
    name: &str,
    command: &mut Command,
    emptiness: Emptiness,
    skips: &Path,
) -> Result<Score, TestError> {
    forget(skips)?;
    command.env(SKIPS_VARIABLE, skips);
    report::command(command);
    let mut progress = Progress::start(name);
    let mut transcript = Transcript::default();
    let mut printed: Vec<String> = Vec::new();
    let started = Instant::now();
    let ended = command::follow(command, SUITE_LIMIT, |event| match event {
        Event::Output(line) => {
            transcript.line(line, started.elapsed());
            progress.tell(line);
            progress.tick();
            printed.push(line.to_owned());
        }
        Event::Complaint(line) => printed.push(line.to_owned()),
        Event::Tick => progress.tick(),
    })?;
    let ending = if ended.status.success() {
        Ending::Clean
    } else {
        Ending::Broken(in_words(&ended))
    };
    let skipped = skips::read_reported(skips);
    let mut score = Score::of_suite(name, transcript, &ending, emptiness, skipped);
    score.took = ended.took;
    let (failed, skipped) = (score.failed.len(), score.skipped.len());
    progress.finish(&format!(
        "{} passed, {failed} failed, {skipped} skipped",
        score.passed
    ));
    if failed > 0 {
        report::line(printed.join("\n"));
    }
    Ok(score)
}

/// Removes what an earlier run reported.
fn forget(skips: &Path) -> Result<(), TestError> {
    match fs::remove_file(skips) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(TestError::Reports {
            path: PathBuf::from(skips),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn in_words(ended: &Ended) -> String {
    let status: ExitStatus = ended.status;
    if ended.timed_out {
        format!("ended after its time was over ({status})")
    } else {
        status.to_string()
    }
}
