//! Processes, files and questions of the real lab: what its parts use to start and steer programs.
//! It knows no program by name.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use super::RealLab;
use super::await_true::await_true;
use super::state::{Attached, State};
use crate::components::Binaries;
use crate::lab::execute::{spawn, tail};
use crate::lab::record::Processes;
use crate::lab::{ChildGuard, Identity, LabError, knob, netns, options};
use crate::traffic::icmp::Echo;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);
/// Patience with a device of a process of our own.
const DEVICE_PATIENCE: Duration = Duration::from_secs(5);
/// Patience with the pods' first packets.
const TALK_PATIENCE: Duration = Duration::from_secs(40);
/// How long an answer may take: a relay far away, and a handshake before it.
const ECHO: Duration = Duration::from_secs(1);
/// Between two requests that keep a path busy.
const BUSY: Duration = Duration::from_millis(200);

/// Echo requests that keep a path busy until this is dropped.
#[derive(Debug)]
pub struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self
            .thread
            .take()
            .map(JoinHandle::join)
            .is_some_and(|end| end.is_err())
        {
            eprintln!("the requests that kept a path busy ended badly");
        }
    }
}

impl RealLab {
    /// The components.
    pub(super) fn programs(&self) -> &Binaries {
        &self.programs
    }

    /// The key to join with.
    pub(super) fn key(&self) -> String {
        fs::read_to_string(self.file("key")).unwrap_or_default()
    }

    /// Path of a file of the lab.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Makes a folder of the lab, readable by root alone.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, LabError> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file(name);
        fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
            .map_err(|cause| LabError::io(format!("make {}", path.display()), cause))?;
        Ok(path)
    }

    /// Writes a file of the lab.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, LabError> {
        let path = self.file(name);
        fs::write(&path, text)
            .map_err(|cause| LabError::io(format!("write {}", path.display()), cause))?;
        Ok(path)
    }

    /// Sets a delay file.
    pub(super) fn set_delay(&self, file: &str, delay: Duration) -> Result<(), LabError> {
        knob::set(&self.file(file), delay)
    }

    /// Writes something down.
    pub(super) fn note(&self, change: impl FnOnce(&mut State)) -> Result<(), LabError> {
        self.ledger.update(change)
    }

    /// The tailnet address of a machine that has joined.
    pub fn tailnet(&self, place: &str) -> Result<Ipv4Addr, LabError> {
        let known = self.ledger.record().tailnet.get(place).copied();
        known.ok_or_else(|| LabError::Options(format!("{place} is not in the tailnet")))
    }

    /// A pod's address and port.
    pub fn pod(&self, name: &str) -> Result<Attached, LabError> {
        let known = self.ledger.record().pods.get(name).cloned();
        known.ok_or_else(|| LabError::Options(format!("{name} is no pod that is attached")))
    }

    /// Starts a component in a namespace; its output goes to a log of its name.
    pub(super) fn start(&self, netns: &str, name: &str, argv: &[&str]) -> Result<(), LabError> {
        let log = self.log(name);
        let started = spawn(netns, argv, &log, name, self.ledger.as_ref())?;
        self.children().push(started);
        Ok(())
    }

    /// Starts a process of our own: a hidden verb with its configuration.
    pub(super) fn start_own(
        &self,
        netns: &str,
        verb: &str,
        name: &str,
        config: &impl Serialize,
    ) -> Result<(), LabError> {
        let text = serde_json::to_string_pretty(config).unwrap_or_default();
        let config = self.write(&format!("{name}.json"), &text)?;
        let program = options::own_program()?;
        let (program, config) = (program.to_string_lossy(), config.to_string_lossy());
        self.start(netns, name, &[&program, verb, "--config", &config])
    }

    /// Ends a process that [`Self::start`] made; nothing if there is none.
    pub(super) fn stop(&self, name: &str) -> Result<(), LabError> {
        for process in self.processes_of(name) {
            process.end(GRACE);
            self.ledger.strike(&process)?;
            let mut children = self.children();
            let own = children.iter().position(|(known, _)| *known == process);
            if let Some((_, mut child)) = own.map(|position| children.swap_remove(position)) {
                child
                    .wait()
                    .map_err(|cause| LabError::io(format!("wait for {name}"), cause))?;
            }
        }
        Ok(())
    }

    /// Sends a process a signal that does not end it.
    pub(super) fn signal(&self, name: &str, signal: Signal) -> Result<(), LabError> {
        self.processes_of(name).iter().try_for_each(|process| {
            kill(Pid::from_raw(process.pid), signal)
                .map_err(|errno| LabError::io(format!("signal {name}"), errno.into()))
        })
    }

    /// An error with its last words if a process has ended.
    pub(super) fn is_running(&self, name: &str) -> Result<(), LabError> {
        if self.processes_of(name).iter().any(Identity::is_alive) {
            return Ok(());
        }
        Err(LabError::Ended {
            what: name.to_owned(),
            detail: tail(&self.log(name)),
        })
    }

    fn processes_of(&self, name: &str) -> Vec<Identity> {
        let mut processes = self.ledger.record().processes;
        processes.retain(|process| process.what == name);
        processes
    }

    fn log(&self, name: &str) -> PathBuf {
        self.file(&format!("{name}.log"))
    }

    /// A command in a node, a pod or `inet`.
    pub fn command(&self, place: &str, argv: &[&str]) -> Result<Command, LabError> {
        if self
            .ledger
            .record()
            .namespaces
            .iter()
            .any(|name| name == place)
        {
            return Ok(netns::command(place, argv));
        }
        Err(LabError::Refused(format!(
            "no {place} here; there are {}",
            self.ledger.record().namespaces.join(", ")
        )))
    }

    /// Starts a process in a place; it ends with the guard or with the lab.
    pub fn spawn(&self, place: &str, argv: &[&str], log: &Path) -> Result<ChildGuard, LabError> {
        let what = argv.first().copied().unwrap_or("process");
        let started = spawn(place, argv, log, what, self.ledger.as_ref())?;
        Ok(ChildGuard::new(started, Arc::clone(&self.ledger) as _))
    }

    /// Runs a command in a namespace and returns what it printed.
    pub fn output(&self, place: &str, argv: &[&str]) -> Result<String, LabError> {
        let shown = argv.join(" ");
        let output = netns::command(place, argv)
            .output()
            .map_err(|cause| LabError::io(format!("run {shown} in {place}"), cause))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(LabError::Command {
            command: shown,
            netns: place.to_owned(),
            stderr: stderr.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// Whether a device is there.
    pub fn has_device(&self, place: &str, device: &str) -> Result<bool, LabError> {
        netns::within(place, || if_nametoindex(device).is_ok())
    }

    /// Waits for a device that a process makes.
    pub(super) fn await_device(&self, place: &str, device: &str) -> Result<(), LabError> {
        await_true(&format!("{device} in {place}"), DEVICE_PATIENCE, || {
            self.has_device(place, device)
        })
    }

    /// Sends echo requests to an address until the guard is dropped.
    pub fn keep_busy(&self, from: &str, to: Ipv4Addr) -> Busy {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, place) = (Arc::clone(&stop), from.to_owned());
        let thread = thread::spawn(move || {
            let asked = netns::within(&place, || -> std::io::Result<()> {
                let mut echo = Echo::open(to.into())?;
                while !seen.load(Ordering::Relaxed) {
                    echo.exchange(56, BUSY)?;
                    thread::sleep(BUSY);
                }
                Ok(())
            });
            if let Ok(Err(cause)) = asked {
                eprintln!("keep the path from {place} to {to} busy: {cause}");
            }
        });
        Busy {
            stop,
            thread: Some(thread),
        }
    }

    /// Waits until every pair answers that the scenario says answers.
    pub(super) fn await_talking(&self) -> Result<(), LabError> {
        for path in (self.scenario.paths)(self)? {
            if !path.answers() {
                continue;
            }
            await_answer(&path.from, path.sends_to())?;
        }
        Ok(())
    }
}

/// Waits until an address answers echo requests of a pod.
pub(super) fn await_answer(from: &str, target: Ipv4Addr) -> Result<(), LabError> {
    let mut echo = netns::within(from, || Echo::open(target.into()))?
        .map_err(|cause| LabError::io(format!("send an echo from {from}"), cause))?;
    let what = format!("an answer of {target} to {from}");
    await_true(&what, TALK_PATIENCE, || {
        let asked = echo.exchange(56, ECHO);
        // A route that is not there yet is an error of the socket.
        Ok(asked.is_ok_and(|answer| answer.is_some()))
    })
}
