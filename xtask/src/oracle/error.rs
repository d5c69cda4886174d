//! What can go wrong while an oracle is asked.

use std::io;
use std::path::PathBuf;

use crate::lab::LabError;

/// A failure of an oracle; an unexpected number is no failure.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// The namespace cannot be entered, or a tool refused a ruleset.
    #[error("ask an oracle: {0}")]
    Lab(#[from] LabError),
    /// A tool cannot be started.
    #[error("run `{command}`: {source}; docs/lab.md says what the lab needs")]
    Start {
        /// The command.
        command: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// tcpdump is not installed.
    #[error("run `{command}`: there is no tcpdump; install it (Debian: `apt-get install tcpdump`)")]
    NoTcpdump {
        /// The command.
        command: String,
    },
    /// A tool said no.
    #[error("run `{command}`: {stderr}")]
    Refused {
        /// The command.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// A tool said something else than expected.
    #[error("read the answer of `{command}`: {source}")]
    Answer {
        /// The command.
        command: String,
        /// The parser's words.
        source: serde_json::Error,
    },
    /// tailscaled did not answer, or not as expected.
    #[error("ask tailscaled for {endpoint} at {}: {reason}; does it run with this socket?", socket.display())]
    LocalApi {
        /// What it was asked for.
        endpoint: String,
        /// Its socket.
        socket: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A kernel file has another form than expected.
    #[error("read {what} in {netns}: {reason}")]
    Form {
        /// The file or object.
        what: String,
        /// The namespace.
        netns: String,
        /// What is wrong with it.
        reason: String,
    },
}
