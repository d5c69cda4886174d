//! Boots a kernel under qemu's software emulation and reads what the guest says on its console.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::time::Duration;

use super::guest::{END, MARK, TOOK, Task};
pub(crate) use super::initramfs::Programs;
use super::{Kernel, KernelsError, initramfs};
use crate::command::{self, Event};
use crate::report;
use crate::setup::progress::Progress;

/// A guest that takes longer hangs; on a busy machine one takes a quarter of an hour.
const LIMIT: Duration = Duration::from_mins(30);
/// Memory in MiB: the archive twice, and the maps.
const MEMORY: &str = "1536";

/// The kernel's options. Emulated processors have none of the flaws that cost real ones time to mend, and waits
/// for grace periods are most of what making and removing devices takes there.
const OPTIONS: &str =
    "console=ttyS0 quiet panic=-1 mitigations=off rcupdate.rcu_expedited=1 rdinit=/init";

/// What a test in a guest begins a line with that is to be shown: `netpath-fact: name = value`.
const FACT: &str = "netpath-fact:";

/// What libtest says where no test has the name that it was given.
const NO_TEST: &str = "running 0 tests";

/// What a guest said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its `uname -r`.
    pub(crate) release: Option<String>,
    /// Steps that passed.
    pub(crate) passed: Vec<String>,
    /// Steps that did not, and how.
    pub(crate) failed: Vec<String>,
    /// Facts that tests told, in their order.
    pub(crate) facts: Vec<(String, String)>,
    /// Steps and how long they took.
    pub(crate) took: Vec<(String, String)>,
    /// It came to its end.
    pub(crate) is_whole: bool,
    /// Everything.
    pub(crate) lines: Vec<String>,
}

impl Said {
    fn line(&mut self, line: &str) {
        self.lines.push(line.to_owned());
        // The kernel's own messages, or a test's name, may stand before it.
        let told = |mark| line.split_once(mark)?.1.trim().split_once(" = ");
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.facts.extend(told(FACT).map(owned));
        self.took.extend(told(TOOK).map(owned));
        if line.trim().ends_with(NO_TEST) {
            self.failed.push(NO_TEST.to_owned());
        }
        let Some((_, said)) = line.split_once(MARK) else {
            return;
        };
        match said.trim().rsplit_once(" = ") {
            None => self.is_whole |= said.trim() == END,
            Some(("uname -r", release)) => self.release = Some(release.to_owned()),
            Some((step, "passed")) => self.passed.push(step.to_owned()),
            Some((step, how)) => self.failed.push(format!("{step}: {how}")),
        }
    }
}

/// Boots `kernel` with `programs` for a task, and waits until the guest is off.
pub(crate) fn boot(kernel: &Kernel, programs: &Programs, task: Task) -> Result<Said, KernelsError> {
    let own = format!("netpath-kernel-{}-{}", process::id(), kernel.release);
    let room = std::env::temp_dir().join(own);
    let made = fs::create_dir_all(&room);
    made.map_err(KernelsError::io(format!("make {}", room.display())))?;
    let said = initramfs::build(kernel, programs, &room).and_then(|bytes| {
        let file = room.join("initramfs");
        let written = fs::write(&file, bytes);
        written.map_err(KernelsError::io(format!("write {}", file.display())))?;
        follow(&mut machine(kernel, &file, task), &kernel.release)
    });
    if let Err(cause) = fs::remove_dir_all(&room) {
        report::progress(format_args!("remove {}: {cause}", room.display()));
    }
    said
}

/// A machine of two processors, with two network cards that one wire joins.
fn machine(kernel: &Kernel, initramfs: &Path, task: Task) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    // In turns on one thread: of two threads one may meet a breakpoint that the kernel has just taken out of
    // its own code again (`Oops: int3`, once in ten boots of 6.12 under qemu 7.2).
    qemu.args(["-accel", "tcg,thread=single", "-smp", "2", "-m", MEMORY]);
    qemu.arg("-no-reboot");
    qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
    for card in ["one", "other"] {
        qemu.args(["-netdev", &format!("hubport,id={card},hubid=1")]);
        // Without a program that would boot from the network.
        let device = format!("virtio-net-pci,netdev={card},romfile=");
        qemu.args(["-device", &device]);
    }
    qemu.arg("-kernel").arg(kernel.image());
    qemu.arg("-initrd").arg(initramfs);
    let task = task.name();
    qemu.args(["-append", &format!("{OPTIONS} -- guest --task {task}")]);
    qemu
}

fn follow(qemu: &mut Command, name: &str) -> Result<Said, KernelsError> {
    report::command(qemu);
    let mut progress = Progress::start(name);
    let mut said = Said::default();
    let ended = command::follow(qemu, LIMIT, |event| match event {
        Event::Output(line) | Event::Complaint(line) => {
            progress.tell(line);
            progress.tick();
            said.line(line);
        }
        Event::Tick => progress.tick(),
    })?;
    progress.finish("off");
    if !ended.status.success() {
        said.is_whole = false;
        said.failed.push(format!("qemu ended: {}", ended.status));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_guest_says_of_its_steps_counts() {
        let mut said = Said::default();
        for line in [
            "test every_fixture ... ok",
            "[ 1.0] netpath-guest: uname -r = 6.1.0",
            "netpath-guest: ip link = passed",
            "test budget ... netpath-fact: programs loaded = 16 of 16",
            "netpath-guest: budget = exit status: 101",
            "netpath-took: budget = 7.0 s",
            "running 2 tests",
        ] {
            said.line(line);
        }
        assert_eq!(said.release.as_deref(), Some("6.1.0"));
        assert_eq!(said.passed, ["ip link"]);
        assert_eq!(said.failed, ["budget: exit status: 101"]);
        let fact = ("programs loaded".to_owned(), "16 of 16".to_owned());
        assert_eq!(said.facts, [fact]);
        let took = ("budget".to_owned(), "7.0 s".to_owned());
        assert_eq!(said.took, [took]);
        assert!(!said.is_whole);
        said.line("running 0 tests");
        assert_eq!(said.failed.len(), 2, "a name that no test has");
        said.line("netpath-guest: end");
        assert!(said.is_whole);
    }
}
