//! `cargo xtask test`: every check and every test, counted honestly. A skipped test is not a
//! passed one, a crashed binary is a failure, and so is a suite without tests.

mod execution;
mod kernels;
mod libtest;
mod real;
mod score;
mod skips;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::check::{CHECKS, Check};
use crate::cli::exit::Exit;
use crate::command::CommandError;
use crate::kernels::KernelsError;
use crate::real::RealError;
use crate::report;
use crate::setup::{self, SetupError};
use score::Score;
use skips::Allowed;

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Fail on every skip that `.ci/allowed-skips` does not name with its reason
    #[arg(long)]
    pub strict: bool,
    /// Also load every program, pass every fixture and run live tests on Debian's kernels 6.1 and 6.12, under qemu
    #[arg(long)]
    pub kernels: bool,
    /// Also run every scenario with real components under observers
    #[arg(long)]
    pub real: bool,
    /// Only tests whose name contains this; the checks are left out then
    pub filter: Option<String>,
}

/// Why the tests could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The kernel tool chain is not there.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A program could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The real lab's observers could not be built.
    #[error(transparent)]
    Real(#[from] RealError),
    /// Other kernels could not be booted.
    #[error(transparent)]
    Kernels(#[from] KernelsError),
    /// The list of allowed skips cannot be read.
    #[error("read {path}: {cause}; a line is `test-name: reason`")]
    AllowedSkips {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The folder for what tests report cannot be made.
    #[error("make room for skip reports in {path}: {source}")]
    Reports {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs everything and prints the counts as the very last line.
///
/// # Errors
/// When tests cannot be run at all; a failed test is an [`Exit`].
pub fn run(options: &TestArgs) -> Result<Exit, TestError> {
    let started = Instant::now();
    let allowed = skips::read_allowed()?;
    setup::ensure()?;
    let filter = options.filter.as_deref();
    let mut scores: Vec<Score> = Vec::new();
    if filter.is_none() {
        scores.extend(CHECKS.map(Check::run).iter().map(Score::of_check));
    }
    scores.extend(execution::run_all(filter)?);
    if options.kernels {
        scores.extend(kernels::run_all(filter)?);
    }
    if options.real {
        scores.extend(real::run_all(filter)?);
    }
    if filter.is_some() && scores.is_empty() {
        scores.push(Score::broken("filter", "no test's name contains it"));
    }
    Ok(close(&scores, &allowed, options.strict, started))
}

/// Prints the table, the failures, the skips, and the last line.
fn close(scores: &[Score], allowed: &[Allowed], strict: bool, started: Instant) -> Exit {
    report::line(table::render(scores));
    report::line(format_args!(
        "all of it: {}",
        report::seconds(started.elapsed())
    ));
    for score in scores {
        for failure in &score.failed {
            report::line(format_args!("failed: {}: {failure}", score.name));
        }
    }
    let unlisted = skips::unlisted(scores.iter().flat_map(|score| &score.skipped), allowed);
    for skip in scores.iter().flat_map(|score| &score.skipped) {
        report::line(format_args!("skipped: {}: {}", skip.test, skip.reason));
    }
    if strict {
        for skip in &unlisted {
            report::error(format_args!(
                "--strict: {} may not be skipped here; make it run, or name it with this reason in {}",
                skip.test,
                skips::ALLOWED_SKIPS
            ));
        }
    }
    let total = score::total(scores);
    report::line(total);
    if total.failed > 0 || (strict && !unlisted.is_empty()) {
        Exit::Failed
    } else {
        Exit::Done
    }
}
