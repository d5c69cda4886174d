//! The first process of the guest: loads modules, runs the programs one after the other, says of each
//! how it ended, and turns the machine off.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};

use super::initramfs::MODULES_FOLDER;
use crate::cli::exit::Exit;
use crate::report;

/// What every line about the guest's own steps begins with.
pub(super) const MARK: &str = "netpath-guest:";
/// The last of them.
pub(super) const END: &str = "end";

/// Programs and their arguments.
const STEPS: [(&str, &[&str]); 8] = [
    ("ip", &["link", "set", "lo", "up"]),
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
    ("kernel_budget", &["--nocapture"]),
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
];

/// Is the first process until the machine is off.
pub(crate) fn run() -> Exit {
    if std::process::id() != 1 {
        report::error("be a guest's first process: this is none");
        return Exit::Usage;
    }
    if let Err(cause) = prepare() {
        say("prepare", &cause.to_string());
    }
    for (program, arguments) in STEPS {
        let ended = Command::new(Path::new("/bin").join(program))
            .args(arguments)
            .env("PATH", "/bin")
            .status();
        let how = match ended {
            Ok(status) if status.success() => "passed".to_owned(),
            Ok(status) => status.to_string(),
            Err(cause) => cause.to_string(),
        };
        say(&format!("{program} {}", arguments.join(" ")), &how);
    }
    report::line(format_args!("{MARK} {END}"));
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        Err(_) => Exit::Failed,
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
