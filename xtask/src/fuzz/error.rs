//! Why there was no fuzzing, each as one line: what was attempted, on what, and the cause.

use std::io;
use std::path::PathBuf;

use crate::command::CommandError;

/// Why there was no fuzzing.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// A build or a program failed.
    #[error("prepare the fuzzer: {0}")]
    Command(#[from] CommandError),
    /// Cargo ended well without the fuzzer.
    #[error("find the fuzzer among cargo's artifacts: it is not there")]
    Missing,
    /// A signal handler cannot be set.
    #[error("listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// A file or folder failed.
    #[error("{action} {path}: {source}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The fuzzer ended without having fuzzed, and without an input that made it fail.
    #[error("fuzz {target}: the fuzzer ended with {status} and no input to blame: {words}")]
    Ended {
        /// The target.
        target: &'static str,
        /// How it ended.
        status: String,
        /// Its last words.
        words: String,
    },
}

impl FuzzError {
    /// From what was attempted on a path.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
