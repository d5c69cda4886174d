//! How a chore ends: the documented exit codes and the failures that lead to them. It prints
//! nothing.

use std::process::ExitCode;

use super::lab::LabVerbError;
use crate::bench::BenchError;
use crate::fuzz::FuzzError;
use crate::lab::LabError;
use crate::real::RealError;
use crate::run::RunError;
use crate::setup::SetupError;
use crate::test::TestError;

/// The documented exit codes, as the help prints them.
pub const TABLE: &str = "Exit codes:
  0  done
  1  failed: a check, a test or a step
  2  wrong usage, or not available yet
  3  the set-up cannot serve this machine; the commands to type are printed
  4  needs root; the command to type is printed";

/// How a chore ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Did what was asked.
    Done,
    /// A check, a test or a step failed.
    Failed,
    /// Wrong usage, or not available yet.
    Usage,
    /// The set-up cannot serve this machine.
    CannotServe,
    /// Root is needed.
    NeedsRoot,
}

/// Why a chore could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The set-up failed.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The tests could not run.
    #[error(transparent)]
    Test(#[from] TestError),
    /// The trial run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The benchmark failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// Fuzzing failed.
    #[error(transparent)]
    Fuzz(#[from] FuzzError),
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabVerbError),
    /// A process of the lab failed.
    #[error(transparent)]
    Serve(#[from] LabError),
    /// A verb or an option without content.
    #[error("`{verb}` is not available yet: it comes in {part}")]
    NotYet {
        /// The verb, with its option.
        verb: &'static str,
        /// The part that brings it.
        part: &'static str,
    },
    /// Root is needed; the one line says what to type.
    #[error("`{verb}` needs root; type: {command}")]
    NeedsRoot {
        /// The verb.
        verb: &'static str,
        /// The exact command.
        command: String,
    },
}

impl Failure {
    /// The documented exit code of this failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Setup(error)
            | Self::Test(TestError::Setup(error))
            | Self::Lab(LabVerbError::Setup(error)) => setup_exit(error),
            Self::Lab(
                LabVerbError::Lab(LabError::Options(_) | LabError::Refused(_))
                | LabVerbError::Real(RealError::Lab(LabError::Options(_) | LabError::Refused(_)))
                | LabVerbError::Which(_),
            )
            | Self::NotYet { .. } => Exit::Usage,
            Self::Lab(LabVerbError::Components(error)) if error.lacks_a_compiler() => {
                Exit::CannotServe
            }
            Self::Test(_)
            | Self::Run(_)
            | Self::Bench(_)
            | Self::Fuzz(_)
            | Self::Lab(_)
            | Self::Serve(_) => Exit::Failed,
            Self::NeedsRoot { .. } => Exit::NeedsRoot,
        }
    }
}

fn setup_exit(error: &SetupError) -> Exit {
    match error {
        SetupError::CannotServe(_) => Exit::CannotServe,
        SetupError::Step { .. } | SetupError::StillMissing(_) => Exit::Failed,
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::CannotServe => 3,
            Exit::NeedsRoot => 4,
        })
    }
}
