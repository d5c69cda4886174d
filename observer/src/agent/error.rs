//! Why the agent ended unasked, and the exit code that says it.

use std::time::Duration;

use tokio::task::JoinError;

use crate::config::write_duration;
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
    /// A thread or its runtime cannot be had.
    #[error("start a thread of the observer: {0}; raise the limit of processes and descriptors")]
    Thread(#[source] std::io::Error),
    /// A task ended that should not.
    #[error("run the observer: {task} ended unasked: {why}")]
    Ended {
        /// Which.
        task: &'static str,
        /// What it said.
        why: String,
    },
    /// The working thread does not turn any more.
    #[error(
        "run the observer: it hangs, {} without a turn, while {stage}; the setting `stall` bounds \
         that",
        write_duration(*stall)
    )]
    Hung {
        /// What it was at.
        stage: &'static str,
        /// How long it may.
        stall: Duration,
    },
    /// The end took longer than it may: what was not handed out by then is lost.
    #[error("end the observer: {why}, while {stage}; what was not handed out is lost")]
    Late {
        /// What it was at.
        stage: &'static str,
        /// What ended the wait.
        why: Late,
    },
}

/// What cut the end of a run short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The setting's time was over.
    Grace(Duration),
    /// Another signal came.
    SecondSignal,
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Grace(grace) => {
                let grace = write_duration(*grace);
                write!(
                    f,
                    "not done within the grace of {grace}; the setting `grace` bounds that"
                )
            }
            Self::SecondSignal => f.write_str("not done when a second signal came"),
        }
    }
}

impl AgentError {
    pub(super) fn follower_ended(result: Result<Result<(), NetlinkError>, JoinError>) -> Self {
        let why = match result {
            Ok(Ok(())) => "nobody asked it to".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Self::Ended {
            task: "the device follower",
            why,
        }
    }

    pub(super) fn exporter_ended(result: &Result<(), JoinError>) -> Self {
        let why = match result {
            Ok(()) => "nobody asked it to".to_owned(),
            Err(error) => error.to_string(),
        };
        Self::Ended {
            task: "the exporter",
            why,
        }
    }

    /// True if nobody reads the reports any more.
    #[must_use]
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Exit code: 2 if a setting is wrong, 3 if the kernel or the rights are in the way, 4 if the
    /// end came before everything was handed out, 5 if another agent is in the way, 6 if a part of
    /// the agent died or hangs, 1 else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::SecondAgent => 5,
            Self::Export(_) => 2,
            Self::Load(_) => 3,
            Self::Late { .. } => 4,
            Self::Ended { .. } | Self::Hung { .. } => 6,
            Self::Lock(_)
            | Self::Signals(_)
            | Self::Table(_)
            | Self::Events(_)
            | Self::Netlink(_)
            | Self::Output(_)
            | Self::Line(_)
            | Self::Thread(_) => 1,
        }
    }
}
