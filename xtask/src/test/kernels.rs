//! `cargo xtask test --kernels`: on other kernels, one row each, every program is loaded, every fixture passed
//! through each, and tests of the live agent run: a flow, drops, what a killed agent left, XDP at a veth and
//! at a virtio card. What the verifier walked through there is compared with the budget. It changes nothing
//! on this machine.

use std::env;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use super::TestError;
use super::score::Score;
use crate::budget::{Budget, Measured, Verdict, compare};
use crate::command;
use crate::kernels::boot::{Programs, Said, boot};
use crate::kernels::guest::{OBSERVER, Task};
use crate::kernels::{Kernel, SERIES};
use crate::{report, suites};

/// Tests that run in the guest, and their crates; the guest names them too.
const TESTS: [(&str, &str); 4] = [
    ("observer", "kernel_budget"),
    ("observer", "kernel_differential"),
    ("observer", "kernel_drops"),
    ("xtask", "observe_live"),
];
/// This program.
const OWN: &str = "xtask";
/// What the lab and its counters are made with, and how tests take rights and files from an agent; from the
/// packages iproute2, nftables, util-linux, coreutils and dash.
const TOOLS: [&str; 9] = [
    "ip", "bridge", "tc", "nft", "setpriv", "unshare", "mount", "cat", "sh",
];
/// Where those are, whatever the path of the caller.
const TOOL_FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// How programs were attached, among the facts that the tests tell.
const WAY: &str = "attached by";
/// Facts without which a kernel has not passed.
const WANTED: [&str; 10] = [
    "programs loaded",
    "dropped for their size",
    "numbers of reasons",
    "fixtures passed",
    WAY,
    "path seen",
    "drops under an agent",
    "MTU announced to a pod",
    "native XDP at veth",
    "native XDP at virtio_net",
];

/// Boots every series whose row's name the filter fits.
pub(super) fn run_all(filter: Option<&str>) -> Result<Vec<Score>, TestError> {
    let mut meant = SERIES.to_vec();
    meant.retain(|(series, _)| filter.is_none_or(|text| row_name(series).contains(text)));
    if meant.is_empty() {
        return Ok(Vec::new());
    }
    let programs = programs()?;
    // Emulation leaves a guest waiting for its own clock half of the time.
    Ok(thread::scope(|scope| {
        let programs = &programs;
        let boot = |(series, way)| scope.spawn(move || row(series, way, programs));
        let guests: Vec<_> = meant.into_iter().map(boot).collect();
        let rows = guests.into_iter().map(|guest| {
            let row = guest.join();
            row.unwrap_or_else(|panic| resume_unwind(panic))
        });
        rows.collect()
    }))
}

fn row_name(series: &str) -> String {
    format!("kernel {series}")
}

fn row(series: &'static str, way: &str, programs: &Programs) -> Score {
    let begun = Instant::now();
    let name = row_name(series);
    let booted = Kernel::of(series)
        .and_then(|kernel| Ok((boot(&kernel, programs, Task::Everything)?, kernel)));
    let (said, kernel) = match booted {
        Ok(booted) => booted,
        Err(cause) => return Score::broken(&name, &cause.to_string()),
    };
    let mut failed = lacks(&said, &kernel.release, way);
    failed.extend(growth(&said, &kernel.release));
    show(&said, failed.is_empty());
    Score {
        name: format!("kernel {}", kernel.release),
        passed: said.passed.len(),
        failed,
        took: begun.elapsed(),
        ..Score::default()
    }
}

/// Programs that cost the guest's verifier more than the budget says.
fn growth(said: &Said, release: &str) -> Vec<String> {
    let measured = Measured::read(release, said.lines.iter().map(String::as_str));
    match Budget::read() {
        Err(cause) => vec![cause.to_string()],
        Ok(budget) => {
            let Verdict {
                mut findings,
                unchecked,
            } = compare(&budget, &measured);
            findings.extend(unchecked);
            findings
        }
    }
}

/// What failed in a guest, and what is missing in what it said.
fn lacks(said: &Said, release: &str, way: &str) -> Vec<String> {
    let mut failed = said.failed.clone();
    if said.release.as_deref() != Some(release) {
        let found = said.release.as_deref().unwrap_or("nothing");
        failed.push(format!("`uname -r` said {found}, not {release}"));
    }
    if !said.is_whole {
        failed.push("the guest ended before its last step".to_owned());
    }
    let told = |name: &str| said.facts.iter().find(|(told, _)| told == name);
    for name in WANTED {
        match told(name) {
            None => failed.push(format!("no test said `{name}`")),
            Some((_, found)) if name == WAY && found != way => {
                failed.push(format!("programs were attached by {found}, not by {way}"));
            }
            Some(_) => {}
        }
    }
    failed
}

/// The facts, and everything if something failed.
fn show(said: &Said, is_right: bool) {
    let release = said.release.as_deref().unwrap_or("?");
    for line in said.lines.iter().filter(|_| !is_right) {
        report::line(format_args!("{release}: {line}"));
    }
    for (name, value) in said.facts.iter().chain(&said.took) {
        report::line(format_args!("{release}: {name}: {value}"));
    }
}

/// Builds the tests and what they run, and says where all of it is.
fn programs() -> Result<Programs, TestError> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--locked", "--no-run"]);
    for (package, name) in TESTS {
        cargo.args(["--package", package, "--test", name]);
    }
    report::command(&cargo);
    cargo.arg("--message-format=json-render-diagnostics");
    let said = command::capture(&mut cargo)?;
    let mut programs = Programs::default();
    for suite in said.lines().filter_map(suites::announced) {
        let is_it = |(_, name): &&(_, &str)| suite.name.ends_with(name);
        let name = TESTS.iter().find(is_it).map(|(_, name)| *name);
        programs
            .named
            .extend(name.map(|name| (name, suite.executable)));
    }
    for (name, path) in said.lines().filter_map(suites::program) {
        match name.as_str() {
            OBSERVER => programs.named.push((OBSERVER, path)),
            OWN => programs.own = Some(path),
            _ => {}
        }
    }
    programs.named.extend(TOOLS.map(|name| (name, tool(name))));
    Ok(programs)
}

/// Where a tool is; its bare name if it is nowhere, which will not be found.
fn tool(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(TOOL_FOLDERS.map(PathBuf::from));
    let mut files = folders.map(|folder| folder.join(name));
    files
        .find(|file| file.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Said {
        let facts = WANTED.map(|name| (name.to_owned(), "tcx".to_owned()));
        Said {
            release: Some("6.12.1".to_owned()),
            facts: facts.to_vec(),
            is_whole: true,
            ..Said::default()
        }
    }

    #[test]
    fn a_guest_that_said_everything_lacks_nothing() {
        assert!(lacks(&whole(), "6.12.1", "tcx").is_empty());
    }

    #[test]
    fn what_a_guest_did_not_say_is_a_failure() {
        assert_eq!(lacks(&whole(), "6.12.2", "tcx").len(), 1);
        assert_eq!(lacks(&whole(), "6.12.1", "clsact").len(), 1);
        for name in WANTED {
            let mut said = whole();
            said.facts.retain(|(told, _)| told != name);
            let failed = lacks(&said, "6.12.1", "tcx");
            assert!(failed.concat().contains(name), "{failed:?}");
        }
        let ended_early = Said {
            is_whole: false,
            ..whole()
        };
        assert_eq!(lacks(&ended_early, "6.12.1", "tcx").len(), 1);
    }
}
