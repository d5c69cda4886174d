//! Does one step of a plan and says why it failed. It never plans, and never removes anything
//! from the machine.

use std::collections::VecDeque;
use std::process::Command;
use std::time::Duration;

use super::SetupError;
use super::plan::{self, CannotServe, LLVM_PREFIX, Step};
use super::progress::Progress;
use crate::command::{self, Event};
use crate::report;
use crate::toolchain;

/// No step of the set-up takes longer than this on any machine that is alive.
const LIMIT: Duration = Duration::from_mins(40);
/// So many last lines of output explain a failure.
const TAIL: usize = 12;

/// Does a step, showing its progress.
///
/// # Errors
/// When it fails, with the cause told apart: unknown package, no network, conflict, anything else.
pub fn execute(step: &Step) -> Result<(), SetupError> {
    let mut command = command_of(step);
    report::command(&command);
    let name = name(step);
    let mut progress = Progress::start(&name);
    let mut tail = VecDeque::new();
    let ended = command::follow(&mut command, LIMIT, |event| match event {
        Event::Output(line) | Event::Complaint(line) => {
            progress.tell(line);
            progress.tick();
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        }
        Event::Tick => progress.tick(),
    });
    let (tail, ended) = match ended {
        Ok(ended) => (Vec::from(tail).join("\n"), ended),
        Err(error) => {
            progress.finish("not started");
            return Err(SetupError::Step {
                step: name,
                cause: error.to_string(),
            });
        }
    };
    if ended.status.success() {
        progress.finish("done");
        return Ok(());
    }
    progress.finish("failed");
    let tail = if ended.timed_out {
        format!("{tail}\nended after its time was over")
    } else {
        tail
    };
    Err(explain(step, &tail))
}

fn name(step: &Step) -> String {
    match step {
        Step::UpdatePackageLists => "refresh package lists".to_owned(),
        Step::InstallPackages(packages) => format!("install {} package(s)", packages.len()),
        Step::InstallLinker => format!("build bpf-linker {}", toolchain::BPF_LINKER_VERSION),
    }
}

fn command_of(step: &Step) -> Command {
    match step {
        Step::UpdatePackageLists => {
            let mut apt = Command::new("apt-get");
            apt.arg("update");
            apt
        }
        Step::InstallPackages(packages) => {
            let mut apt = Command::new("apt-get");
            apt.args(["install", "-y", "--no-install-recommends", "--no-remove"])
                .args(["-o", "DPkg::Lock::Timeout=300"])
                .args(packages)
                .env("DEBIAN_FRONTEND", "noninteractive");
            apt
        }
        Step::InstallLinker => {
            let mut cargo = command::cargo();
            cargo
                .args([
                    "install",
                    "bpf-linker",
                    "--version",
                    toolchain::BPF_LINKER_VERSION,
                ])
                .args([
                    "--locked",
                    "--no-default-features",
                    "--features",
                    "llvm-22",
                    "--root",
                ])
                .arg(toolchain::linker_root())
                .env("LLVM_PREFIX", LLVM_PREFIX);
            cargo
        }
    }
}

/// Tells a machine that cannot be served from a step that failed otherwise.
fn explain(step: &Step, tail: &str) -> SetupError {
    let missing = match step {
        Step::InstallPackages(packages) => packages.join(" "),
        Step::UpdatePackageLists | Step::InstallLinker => String::new(),
    };
    let line_with = |marks: &[&str]| {
        tail.lines()
            .find(|line| marks.iter().any(|mark| line.contains(mark)))
            .map(str::to_owned)
    };
    let no_network = [
        "Could not resolve",
        "Temporary failure resolving",
        "Could not connect",
        "Failed to fetch",
        "Network is unreachable",
        "failed to download",
        "Couldn't resolve host",
        "Could not resolve host",
    ];
    if let Some(cause) = line_with(&no_network) {
        let commands = "  cargo xtask setup".to_owned();
        return CannotServe::NoNetwork {
            attempted: name(step),
            cause,
            commands,
        }
        .into();
    }
    if line_with(&["Unable to locate package", "has no installation candidate"]).is_some() {
        let commands = plan::nightly_commands();
        return CannotServe::UnknownPackage { missing, commands }.into();
    }
    if line_with(&["Packages need to be removed"]).is_some() {
        let commands = plan::nightly_commands();
        return CannotServe::Conflict { missing, commands }.into();
    }
    SetupError::Step {
        step: name(step),
        cause: tail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_failing_has_its_own_explanation() {
        let cases = [
            (
                "E: Unable to locate package rustc-web",
                "do not have all of them",
            ),
            (
                "E: Package 'x' has no installation candidate",
                "do not have all of them",
            ),
            (
                "E: Packages need to be removed but remove is disabled.",
                "have to remove other",
            ),
            (
                "Err:1 Temporary failure resolving 'mirror'",
                "no answer from the network",
            ),
            (
                "E: Failed to fetch a.deb  Could not connect",
                "no answer from the network",
            ),
        ];
        for (line, said) in cases {
            let error = explain(&install(), &format!("Reading package lists...\n{line}\n"));
            assert!(
                matches!(error, SetupError::CannotServe(_)),
                "{line}: {error}"
            );
            assert!(error.to_string().contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn a_linker_that_cannot_be_downloaded_is_a_missing_network() {
        let tail = "error: failed to download from registry\nCaused by:\n  timeout";
        let error = explain(&Step::InstallLinker, tail);
        assert!(
            error.to_string().contains("no answer from the network"),
            "{error}"
        );
    }

    #[test]
    fn any_other_failure_keeps_its_last_lines() {
        let error = explain(&install(), "E: Sub-process dpkg returned an error code (1)");
        assert!(matches!(error, SetupError::Step { .. }));
        assert!(
            error.to_string().contains("dpkg returned an error"),
            "{error}"
        );
    }

    #[test]
    fn apt_neither_asks_nor_removes() {
        let typed = report::typed(&command_of(&install()));
        for part in [
            "DEBIAN_FRONTEND=noninteractive",
            "-y",
            "--no-remove",
            "nftables",
        ] {
            assert!(typed.contains(part), "{part} is not in: {typed}");
        }
    }

    fn install() -> Step {
        Step::InstallPackages(vec!["rustc-web", "nftables"])
    }
}
