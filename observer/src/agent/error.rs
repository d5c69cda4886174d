//! Why the agent ended unasked, and the exit code that says it.

use tokio::task::JoinError;

use crate::interfaces::NetlinkError;
use crate::kernel::{EventError, LoadError, TableError};

/// An error that the agent cannot live with.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The name of this namespace's agent is taken.
    #[error("observe this network namespace: another observer runs in it; end that one first")]
    SecondAgent,
    /// The name cannot be taken.
    #[error("take the name of this network namespace's observer: {0}")]
    Lock(#[source] std::io::Error),
    /// Signals cannot be waited for.
    #[error("wait for signals: {0}")]
    Signals(#[source] std::io::Error),
    /// The kernel programs or maps are not to be had.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A map failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The ring failed.
    #[error(transparent)]
    Events(#[from] EventError),
    /// The kernel's tables cannot be read.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Reports cannot be written.
    #[error("write reports to standard output: {0}")]
    Output(#[source] std::io::Error),
    /// A report cannot be written as JSON.
    #[error("write a report as JSON: {0}")]
    Line(#[source] crate::export::json::JsonError),
    /// The exporter cannot be started.
    #[error("start the exporter: {0}")]
    Export(String),
    /// A task ended that should not.
    #[error("run the observer: {task} ended unasked")]
    Ended {
        /// Which.
        task: &'static str,
    },
}

impl AgentError {
    pub(super) fn ended(
        task: &'static str,
        result: Result<Result<(), NetlinkError>, JoinError>,
    ) -> Self {
        match result {
            Ok(Err(error)) => Self::Netlink(error),
            Ok(Ok(())) | Err(_) => Self::Ended { task },
        }
    }

    /// True if nobody reads the reports any more.
    #[must_use]
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Exit code: 2 if a setting is wrong, 3 if the kernel or the rights are in the way, 5 if another agent is, 1 else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::SecondAgent => 5,
            Self::Export(_) => 2,
            Self::Load(_) => 3,
            Self::Lock(_)
            | Self::Signals(_)
            | Self::Table(_)
            | Self::Events(_)
            | Self::Netlink(_)
            | Self::Output(_)
            | Self::Line(_)
            | Self::Ended { .. } => 1,
        }
    }
}
