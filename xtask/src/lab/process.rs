//! Processes of the lab, known by pid and start time so that a reused pid is never signalled.
//! Nothing is ever found or killed by name.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What it is for, as shown to people.
    pub what: String,
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

impl Identity {
    /// The process with this pid, if it runs.
    #[must_use]
    pub fn of(pid: i32, what: &str) -> Option<Self> {
        let started = start_of_living(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        Some(Self {
            what: what.to_owned(),
            pid,
            started,
        })
    }

    /// The calling process.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::of(Pid::this().as_raw(), "owner")
    }

    /// Whether this very process still runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid, &self.what).is_some_and(|other| other.started == self.started)
    }

    /// Asks the process to end, and insists after `grace`. Returns once it is gone.
    pub fn end(&self, grace: Duration) {
        for (signal, patience) in [(Signal::SIGTERM, grace), (Signal::SIGKILL, KILL_PATIENCE)] {
            if !self.is_alive() || kill(Pid::from_raw(self.pid), signal).is_err() {
                return;
            }
            let deadline = Instant::now() + patience;
            while self.is_alive() && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
    }
}

/// A killed process is gone within microseconds, unless it sits in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// Exit has no event that works for a process that is no child of ours.
const POLL: Duration = Duration::from_millis(2);

/// The start time in a line of `/proc/PID/stat`; none for a zombie or dead process.
fn start_of_living(stat: &str) -> Option<u64> {
    // The command name is in parentheses and may itself hold blanks and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{Identity, start_of_living};

    const TAIL: &str = "1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4242 1 2";

    #[test]
    fn start_time_survives_a_strange_command_name() {
        assert_eq!(
            start_of_living(&format!("7 (a) b (c) S {TAIL}")),
            Some(4242)
        );
    }

    #[test]
    fn zombie_is_not_alive() {
        assert_eq!(start_of_living(&format!("7 (a) Z {TAIL}")), None);
    }

    #[test]
    fn reused_pid_is_not_the_same_process() {
        let mut own = Identity::own().expect("we run");
        assert!(own.is_alive());
        own.started += 1;
        assert!(!own.is_alive());
    }
}
