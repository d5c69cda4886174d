//! How a test that cannot run here says so, instead of passing silently. Self-contained: other
//! crates' tests include this file by path. It never decides whether a skip is allowed; the test
//! runner does (`cargo xtask test --strict`).

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

/// Names the file that the test runner reads after the suite: one line `test\treason` per skip.
pub const SKIPS_VARIABLE: &str = "NETPATH_SKIPS";

/// Reports that `test` (its function name, or its path as the test harness prints it) cannot run
/// for `reason`. The caller returns right after it.
///
/// # Panics
/// When the runner's file cannot be written: a skip that is not recorded would count as passed.
pub fn skip(test: &str, reason: &str) {
    eprintln!("skipped {test}: {reason}");
    let Some(path) = env::var_os(SKIPS_VARIABLE) else {
        return;
    };
    let line = format!("{test}\t{}\n", reason.replace(['\n', '\t'], " "));
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        panic!("record the skip of {test} in {}: {error}", path.display());
    }
}
