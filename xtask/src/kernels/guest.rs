//! The first process of the guest: loads modules, runs the programs one after the other, says of each
//! how it ended and how long it took, and turns the machine off. A test that skips itself has failed there.

mod steps;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use clap::{Args, ValueEnum};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};

use self::steps::Step;
use super::initramfs::{MODULES_FOLDER, PROGRAMS_FOLDER};
use crate::cli::exit::Exit;
use crate::report;
use crate::skip::SKIPS_VARIABLE;

/// What every line about the guest's own steps begins with.
pub(super) const MARK: &str = "netpath-guest:";
/// What a line begins with that says how long a step took.
pub(super) const TOOK: &str = "netpath-took:";
/// The last of the steps.
pub(super) const END: &str = "end";

/// The agent's program there, where tests of the live agent find it.
pub(crate) const OBSERVER: &str = "observer";
/// Names the agent's binary to those tests.
const OBSERVER_VARIABLE: &str = "NETPATH_OBSERVER";
/// How long those tests wait for an agent, in seconds: under emulation its programs alone take half a
/// minute to load.
const PATIENCE: (&str, &str) = ("NETPATH_PATIENCE", "180");
/// The machine's two network cards, which one wire joins, for the tests that want some.
const CARDS: (&str, &str) = ("NETPATH_CARDS", "eth0,eth1");
/// Where tests write what they skip.
const SKIPS: &str = "/tmp/skips";

/// Options of the guest's first process.
#[derive(Debug, Args)]
pub struct GuestArgs {
    /// What to do
    #[arg(long, value_enum)]
    task: Task,
}

/// What a guest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// Says what the verifier walks through.
    Measure,
    /// That, all fixtures, and what agents do and see in small labs.
    Everything,
}

impl Task {
    /// Its name on the kernel's command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Everything => "everything",
        }
    }

    fn steps(self) -> Vec<Step> {
        match self {
            Self::Measure => steps::measure(),
            Self::Everything => steps::everything(),
        }
    }
}

/// Is the first process until the machine is off.
pub(crate) fn run(options: &GuestArgs) -> Exit {
    if std::process::id() != 1 {
        report::error("be a guest's first process: this is none");
        return Exit::Usage;
    }
    if let Err(cause) = prepare() {
        say("prepare", &cause.to_string());
    }
    for Step { program, arguments } in options.task.steps() {
        let begun = Instant::now();
        let folder = Path::new(PROGRAMS_FOLDER);
        let ended = Command::new(folder.join(program))
            .args(&arguments)
            .env("PATH", folder)
            .env(OBSERVER_VARIABLE, folder.join(OBSERVER))
            .env(PATIENCE.0, PATIENCE.1)
            .env(CARDS.0, CARDS.1)
            .env(SKIPS_VARIABLE, SKIPS)
            .status();
        let step = format!("{program} {}", arguments.join(" "));
        say(&step, &how(ended));
        let took = report::seconds(begun.elapsed());
        report::line(format_args!("{TOOK} {step} = {took}"));
    }
    report::line(format_args!("{MARK} {END}"));
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        Err(_) => Exit::Failed,
    }
}

/// How a step ended, in words.
fn how(ended: io::Result<ExitStatus>) -> String {
    let skipped = fs::read_to_string(SKIPS).unwrap_or_default();
    match ended {
        Ok(_) if !skipped.is_empty() => format!("skipped {}", skipped.trim()),
        Ok(status) if status.success() => "passed".to_owned(),
        Ok(status) => status.to_string(),
        Err(cause) => cause.to_string(),
    }
}

fn say(step: &str, how: &str) {
    report::line(format_args!("{MARK} {step} = {how}"));
}

fn prepare() -> io::Result<()> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        mount(
            Some(kind),
            place,
            Some(kind),
            MsFlags::empty(),
            None::<&str>,
        )?;
    }
    // Tools open their standard streams by these names.
    symlink("/proc/self/fd", "/dev/fd")?;
    symlink("/proc/self/fd/0", "/dev/stdin")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    say("uname -r", release.trim());
    let modules = fs::read_dir(MODULES_FOLDER)?.map(|entry| Ok(entry?.path()));
    let mut modules = modules.collect::<io::Result<Vec<_>>>()?;
    modules.sort();
    for module in modules {
        let loaded = finit_module(&File::open(&module)?, c"", ModuleInitFlags::empty());
        loaded.map_err(|cause| io::Error::other(format!("load {}: {cause}", module.display())))?;
    }
    Ok(())
}
