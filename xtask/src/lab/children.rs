//! Child processes of this process: reaped here, known to the record of their lab.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::LabError;
use super::process::Identity;
use super::record::Processes;

/// The lab's own processes, if this process started them.
#[derive(Debug, Default)]
pub(super) struct Children(pub(super) Vec<(Identity, Child)>);

impl Children {
    /// Takes the exit states of processes that have ended, so that no zombie stays.
    pub(super) fn reap(&mut self) {
        for (identity, child) in &mut self.0 {
            // Gone already, unless the record could not name it.
            if let Err(cause) = child.kill().and_then(|()| child.wait()) {
                eprintln!("reap {}: {cause}", identity.what);
            }
        }
        self.0.clear();
    }

    /// Takes the exit state of one process that has ended.
    pub(super) fn forget(&mut self, ended: &Identity) -> Result<(), LabError> {
        let position = self.0.iter().position(|(identity, _)| identity == ended);
        let Some((_, mut child)) = position.map(|position| self.0.swap_remove(position)) else {
            return Ok(());
        };
        let failed = |cause| LabError::io(format!("wait for {}", ended.what), cause);
        child.wait().map(|_| ()).map_err(failed)
    }
}

/// How long a process may take to end by itself.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A process in a place of the lab; ended when dropped.
#[derive(Debug)]
pub struct ChildGuard {
    identity: Identity,
    child: Child,
    ledger: Arc<dyn Processes>,
}

impl ChildGuard {
    pub(crate) fn new((identity, child): (Identity, Child), ledger: Arc<dyn Processes>) -> Self {
        Self {
            identity,
            child,
            ledger,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.identity.is_alive()
    }

    /// Asks it to end (SIGTERM, after a grace time SIGKILL) and returns how it ended.
    pub fn end(mut self) -> Result<ExitStatus, LabError> {
        self.stop()
    }

    /// Waits until it ends by itself; none if it still runs after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>, LabError> {
        let deadline = Instant::now() + patience;
        while self.identity.is_alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let failed = |cause| LabError::io(format!("wait for {}", self.identity.what), cause);
        self.child.try_wait().map_err(failed)
    }

    fn stop(&mut self) -> Result<ExitStatus, LabError> {
        self.identity.end(GRACE);
        let failed = |cause| LabError::io(format!("wait for {}", self.identity.what), cause);
        self.child.wait().map_err(failed)
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let stopped = self.stop().map(|_| ());
        let own = &self.identity;
        let forgotten = self.ledger.strike(own);
        if let Err(cause) = stopped.and(forgotten) {
            eprintln!("end {}: {cause}", own.what);
        }
    }
}
