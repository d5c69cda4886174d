//! The first process of the guest: loads modules, runs the programs one after the other, says of each
//! how it ended, and turns the machine off. A test that skips itself has failed there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitStatus};

use clap::{Args, ValueEnum};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};

use super::initramfs::{MODULES_FOLDER, PROGRAMS_FOLDER};
use crate::cli::exit::Exit;
use crate::report;
use crate::skip::SKIPS_VARIABLE;

/// What every line about the guest's own steps begins with.
pub(super) const MARK: &str = "netpath-guest:";
/// The last of them.
pub(super) const END: &str = "end";

/// The agent's program there, where tests of the live agent find it.
pub(crate) const OBSERVER: &str = "observer";
/// Names the agent's binary to those tests.
const OBSERVER_VARIABLE: &str = "NETPATH_OBSERVER";
/// How long those tests wait for an agent, in seconds: under emulation its programs alone take half a
/// minute to load.
const PATIENCE: (&str, &str) = ("NETPATH_PATIENCE", "180");
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
    /// That, all fixtures, and one flow of the small lab under agents.
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

    const fn steps(self) -> &'static [Step] {
        match self {
            Self::Measure => &[MEASURE],
            Self::Everything => &EVERYTHING,
        }
    }
}

/// A program and its arguments.
type Step = (&'static str, &'static [&'static str]);

/// What the verifier walks through, program by program.
const MEASURE: Step = ("kernel_budget", &["--nocapture"]);

const EVERYTHING: [Step; 9] = [
    MEASURE,
    ("ip", &["link", "set", "lo", "up"]),
    // Devices at which the programs are run on fixtures.
    ("ip", &["link", "add", "cni0", "type", "bridge"]),
    ("ip", &["link", "set", "cni0", "up"]),
    (
        "ip",
        &[
            "link",
            "add",
            "flannel.1",
            "type",
            "vxlan",
            "id",
            "1",
            "dstport",
            "8472",
            "local",
            "192.0.2.1",
            "nolearning",
        ],
    ),
    ("ip", &["link", "set", "flannel.1", "up"]),
    ("kernel_drops", &["--nocapture"]),
    (
        "kernel_differential",
        &[
            "--nocapture",
            "--test-threads=1",
            "every_fixture",
            "every_program",
        ],
    ),
    (
        "observe_live",
        &[
            "--nocapture",
            "--exact",
            "flow::a_flow_between_nodes_has_its_class_and_as_many_packets_as_nft_counts",
        ],
    ),
];

/// Is the first process until the machine is off.
pub(crate) fn run(options: &GuestArgs) -> Exit {
    if std::process::id() != 1 {
        report::error("be a guest's first process: this is none");
        return Exit::Usage;
    }
    if let Err(cause) = prepare() {
        say("prepare", &cause.to_string());
    }
    for (program, arguments) in options.task.steps() {
        let folder = Path::new(PROGRAMS_FOLDER);
        let ended = Command::new(folder.join(program))
            .args(*arguments)
            .env("PATH", folder)
            .env(OBSERVER_VARIABLE, folder.join(OBSERVER))
            .env(PATIENCE.0, PATIENCE.1)
            .env(SKIPS_VARIABLE, SKIPS)
            .status();
        say(&format!("{program} {}", arguments.join(" ")), &how(ended));
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
