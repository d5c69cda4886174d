//! `cargo xtask test --kernels`: every program is loaded and every fixture passed through each, on other
//! kernels, one row each; and packets that are too long are dropped there under the tracepoint. What the
//! verifier walked through there is printed.

use std::path::PathBuf;
use std::time::Instant;

use super::TestError;
use super::score::Score;
use super::suites;
use crate::command;
use crate::kernels::boot::{Programs, Said, boot};
use crate::kernels::{Kernel, SERIES};
use crate::report;

/// Tests that run in the guest; the guest names them too.
const TESTS: [&str; 3] = ["kernel_budget", "kernel_differential", "kernel_drops"];

/// Boots every series whose row's name the filter fits.
pub(super) fn run_all(filter: Option<&str>) -> Result<Vec<Score>, TestError> {
    let mut meant = SERIES.to_vec();
    meant.retain(|series| filter.is_none_or(|text| row_name(series).contains(text)));
    if meant.is_empty() {
        return Ok(Vec::new());
    }
    let mut programs: Programs = tests()?;
    programs.push(("ip", PathBuf::from("/sbin/ip")));
    let rows = meant.into_iter().map(|series| row(series, &programs));
    Ok(rows.collect())
}

fn row_name(series: &str) -> String {
    format!("kernel {series}")
}

fn row(series: &'static str, programs: &[(&str, PathBuf)]) -> Score {
    let begun = Instant::now();
    let name = row_name(series);
    let booted = Kernel::of(series).and_then(|kernel| Ok((boot(&kernel, programs)?, kernel)));
    let (said, kernel) = match booted {
        Ok(booted) => booted,
        Err(cause) => return Score::broken(&name, &cause.to_string()),
    };
    let mut failed = said.failed.clone();
    if said.release.as_ref() != Some(&kernel.release) {
        let found = said.release.as_deref().unwrap_or("nothing");
        failed.push(format!("`uname -r` said {found}, not {}", kernel.release));
    }
    if !said.is_whole {
        failed.push("the guest ended before its last step".to_owned());
    }
    show(&said, failed.is_empty());
    Score {
        name: format!("kernel {}", kernel.release),
        passed: said.passed.len(),
        failed,
        took: begun.elapsed(),
        ..Score::default()
    }
}

/// Everything if something failed, else what was measured.
fn show(said: &Said, is_right: bool) {
    let is_shown = |line: &&String| {
        !is_right || line.contains("verified instructions") || line.starts_with("drops:")
    };
    let release = said.release.as_deref().unwrap_or("?");
    for line in said.lines.iter().filter(is_shown) {
        report::line(format_args!("{release}: {line}"));
    }
}

/// Builds the tests and says where they are.
fn tests() -> Result<Vec<(&'static str, PathBuf)>, TestError> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--locked", "--no-run", "--package", "observer"]);
    cargo.args(TESTS.iter().flat_map(|name| ["--test", name]));
    report::command(&cargo);
    cargo.arg("--message-format=json-render-diagnostics");
    let said = command::capture(&mut cargo)?;
    let built = said.lines().filter_map(suites::announced);
    Ok(built
        .filter_map(|suite| {
            let name = TESTS.iter().find(|name| suite.name.ends_with(*name))?;
            Some((*name, suite.executable))
        })
        .collect())
}
