//! Everything that is checked without running the product: formatting, lints, licences, the rules of the
//! house, and what the kernel programs cost the verifier. It changes no file but the budget, when asked to.

mod licences;
pub mod tidy;

use std::time::{Duration, Instant};

use clap::Args;

use crate::budget::{self, BudgetError, Verdict};
use crate::cli::exit::Exit;
use crate::command::{self, CommandError};
use crate::report;

/// Options of `cargo xtask check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Measure the kernel programs here and on Debian's kernels under qemu, and write their budget anew
    #[arg(long)]
    pub accept_budget: bool,
}

/// Why a check is not green.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A tool reported failure; its messages stand above.
    #[error(transparent)]
    Tool(#[from] CommandError),
    /// A tool's answer could not be read.
    #[error("read the answer of `{command}`: {cause}")]
    Answer {
        /// The tool.
        command: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// The kernel programs could not be measured.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// Rules are broken; one line each.
    #[error("{} finding(s):\n  {}", .0.len(), .0.join("\n  "))]
    Findings(Vec<String>),
}

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name in tables.
    pub name: &'static str,
    /// What it could not look at, if it found nothing; one line each.
    body: fn() -> Result<Vec<String>, CheckError>,
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was looked at, and is right.
    Green,
    /// What was looked at is right; not so all that should be, for this reason.
    Skipped(String),
    /// Something is wrong; it was printed.
    NotGreen,
}

/// A check that ran.
pub struct Checked {
    /// Its name in tables.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// The workspace and the fuzzer, which is one of its own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", crate::fuzz::MANIFEST];

/// All checks, quick ones first.
pub const CHECKS: [Check; 5] = [
    Check {
        name: "formatting",
        body: || whole(formatting()),
    },
    Check {
        name: "tidy",
        body: || whole(tidy::check()),
    },
    Check {
        name: "licences",
        body: || whole(licences::check()),
    },
    Check {
        name: "clippy",
        body: || whole(clippy()),
    },
    Check {
        name: "budget",
        body: budget,
    },
];

impl Check {
    /// Runs this check and prints why it is not green.
    #[must_use]
    pub fn run(self) -> Checked {
        let started = Instant::now();
        let found = (self.body)();
        let took = started.elapsed();
        let outcome = match found {
            Ok(unchecked) if unchecked.is_empty() => Outcome::Green,
            Ok(unchecked) => Outcome::Skipped(unchecked.join("; ")),
            Err(error) => {
                report::error(format_args!("{}: {error}", self.name));
                Outcome::NotGreen
            }
        };
        Checked {
            name: self.name,
            outcome,
            took,
        }
    }
}

/// Runs all checks and prints how they went; one that is not green does not stop the next.
#[must_use]
pub fn run(options: &CheckArgs) -> Exit {
    if options.accept_budget {
        let accepted = budget::accept().map_err(CheckError::from).and_then(judge);
        return match accepted {
            Ok(_) => Exit::Done,
            Err(error) => {
                report::error(format_args!("accept the budget: {error}"));
                Exit::Failed
            }
        };
    }
    let checked = CHECKS.map(Check::run);
    for check in &checked {
        let (word, reason) = match &check.outcome {
            Outcome::Green => ("green", String::new()),
            Outcome::Skipped(reason) => ("skipped", format!("  {reason}")),
            Outcome::NotGreen => ("not green", String::new()),
        };
        report::line(format_args!(
            "{:<12} {word:<10} {}{reason}",
            check.name,
            report::seconds(check.took)
        ));
    }
    let mut outcomes = checked.iter().map(|check| &check.outcome);
    if outcomes.any(|outcome| *outcome == Outcome::NotGreen) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

/// Of a check that looks at everything wherever it runs.
fn whole(found: Result<(), CheckError>) -> Result<Vec<String>, CheckError> {
    found.map(|()| Vec::new())
}

fn budget() -> Result<Vec<String>, CheckError> {
    judge(budget::check()?)
}

fn judge(verdict: Verdict) -> Result<Vec<String>, CheckError> {
    if verdict.findings.is_empty() {
        return Ok(verdict.unchecked);
    }
    Err(CheckError::Findings(verdict.findings))
}

fn formatting() -> Result<(), CheckError> {
    for manifest in MANIFESTS {
        let mut fmt = command::cargo();
        fmt.args(["fmt", "--all", "--check", "--manifest-path", manifest]);
        command::run(&mut fmt)?;
    }
    Ok(())
}

fn clippy() -> Result<(), CheckError> {
    let mut clippy = command::cargo();
    clippy.args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--locked",
    ]);
    clippy.args(["--", "-D", "warnings"]);
    Ok(command::run(&mut clippy)?)
}
