//! What ends a run: a signal, or its time.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::AgentError;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGINT or SIGTERM.
    Signal,
    /// Its time was over.
    Time,
    /// Nobody reads the reports any more.
    ReaderGone,
}

/// Waits for the end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    deadline: Option<Instant>,
}

impl Signals {
    pub(super) fn new(duration: Option<Duration>) -> Result<Self, AgentError> {
        let open = |kind| signal(kind).map_err(AgentError::Signals);
        Ok(Self {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
            deadline: duration.map(|duration| Instant::now() + duration),
        })
    }

    pub(super) async fn wait(&mut self) -> Ending {
        let deadline = self.deadline;
        let time = async move {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.another() => Ending::Signal,
            () = time => Ending::Time,
        }
    }

    /// Waits for a further signal.
    pub(super) async fn another(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
