//! The budget of the kernel programs: what each costs the verifier in instructions, by kernel, and in stack.
//! Growth is a failure until somebody accepts it, which writes the file anew. It optimises nothing.

mod compare;
mod file;
mod measured;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::command::{self, CommandError, Event};
use crate::kernels::boot::{Programs, boot};
use crate::kernels::guest::Task;
use crate::kernels::{Kernel, KernelsError, SERIES};
use crate::{report, suites};

pub(crate) use compare::{Verdict, compare};
pub(crate) use file::Budget;
pub(crate) use measured::Measured;

/// The test that measures.
const TEST: &str = "kernel_budget";
/// Loading all programs takes seconds; a machine that is busy gets minutes.
const LIMIT: Duration = Duration::from_mins(5);
/// Where this kernel says its release.
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Why there is no verdict, or no new budget.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// A program could not be started, or failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A guest could not be booted.
    #[error(transparent)]
    Kernels(#[from] KernelsError),
    /// The file cannot be read or written.
    #[error("{action}: {cause}; `{}` writes it", compare::ACCEPT)]
    File {
        /// What was attempted, on what.
        action: String,
        /// Why it failed.
        cause: String,
    },
    /// The programs could not be measured.
    #[error("measure the programs on Linux {release}: {cause}")]
    Measure {
        /// Of which kernel.
        release: String,
        /// What is wrong.
        cause: String,
    },
}

/// The verdict on what this kernel's verifier says.
///
/// # Errors
/// When it cannot be asked, or the file cannot be read.
pub(crate) fn check() -> Result<Verdict, BudgetError> {
    let budget = Budget::read()?;
    let measured = here(&measurer()?)?;
    Ok(compare(&budget, &measured))
}

/// Measures on this kernel and in guests, and writes the file anew; nothing is written if a program is above
/// what any may cost.
///
/// # Errors
/// When one of the kernels cannot be asked, or the file cannot be written.
pub(crate) fn accept() -> Result<Verdict, BudgetError> {
    let mut budget = Budget::read().unwrap_or_default();
    let measurer = measurer()?;
    let own = here(&measurer)?;
    if own.instructions.is_empty() {
        return Err(BudgetError::Measure {
            release: own.release,
            cause: "not root".to_owned(),
        });
    }
    budget.accept(&own);
    let programs = Programs {
        named: vec![(TEST, measurer)],
        own: None,
    };
    for (name, _) in SERIES {
        let kernel = Kernel::of(name)?;
        let said = boot(&kernel, &programs, Task::Measure)?;
        let measured = Measured::read(&kernel.release, said.lines.iter().map(String::as_str));
        if measured.instructions.len() != own.instructions.len() {
            report::line(said.lines.join("\n"));
            let cause = "it refused a program, see above".to_owned();
            let release = kernel.release;
            return Err(BudgetError::Measure { release, cause });
        }
        budget.accept(&measured);
    }
    let verdict = Verdict {
        findings: compare::above_bounds(&budget),
        ..Verdict::default()
    };
    if verdict.findings.is_empty() {
        budget.write()?;
        report::line(format_args!("wrote {}", file::FILE));
    }
    Ok(verdict)
}

/// Builds the test that measures; its path.
fn measurer() -> Result<PathBuf, BudgetError> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--quiet", "--locked", "--no-run"]);
    cargo.args(["--package", "observer", "--test", TEST]);
    report::command(&cargo);
    cargo.arg("--message-format=json-render-diagnostics");
    let said = command::capture(&mut cargo)?;
    let built = said.lines().find_map(suites::announced);
    let built = built.map(|suite| suite.executable);
    built.ok_or_else(|| BudgetError::Measure {
        release: "this machine".to_owned(),
        cause: format!("cargo names no test {TEST}"),
    })
}

/// What this kernel's verifier says; its instructions only to root.
fn here(measurer: &PathBuf) -> Result<Measured, BudgetError> {
    let release = fs::read_to_string(RELEASE).unwrap_or_default();
    let release = release.trim();
    let mut test = Command::new(measurer);
    test.args(["--nocapture", "--test-threads=1"]);
    report::command(&test);
    let mut lines = Vec::new();
    let ended = command::follow(&mut test, LIMIT, |event| match event {
        Event::Output(line) | Event::Complaint(line) => lines.push(line.to_owned()),
        Event::Tick => {}
    })?;
    if ended.status.success() {
        return Ok(Measured::read(release, lines.iter().map(String::as_str)));
    }
    report::line(lines.join("\n"));
    Err(BudgetError::Measure {
        release: release.to_owned(),
        cause: format!("{}, see above", ended.status),
    })
}
