//! Why a trial run did not come to its result, each as one line: what was attempted, on what, why,
//! and how to fix it.

use std::io;

use crate::command::CommandError;
use crate::lab::LabError;
use crate::traffic::TrafficError;

/// Why the trial run did not come to its result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The agent could not be built.
    #[error("build the observer: {0}")]
    Build(#[from] CommandError),
    /// Cargo did not say where this program is.
    #[error(
        "build the observer: cargo named no executable `{0}`; try `cargo build --package observer \
         --bins --examples`"
    )]
    NoExecutable(&'static str),
    /// The agent cannot be started on this machine.
    #[error("start {program}: {source}")]
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Ctrl-C cannot be waited for.
    #[error("wait for Ctrl-C and SIGTERM: {0}")]
    Signals(#[source] io::Error),
    /// A lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The traffic failed.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// An agent ended unasked.
    #[error("observe node {node} of lab {lab}: the observer ended ({status}): {words}")]
    AgentEnded {
        /// The node.
        node: String,
        /// The lab.
        lab: String,
        /// Its exit status.
        status: String,
        /// Its own last line on standard error.
        words: String,
    },
    /// An agent says nothing.
    #[error(
        "observe node {node} of lab {lab}: no report within {seconds} s: {words}; \
         if the machine is only busy, try again, and leave a long --interval away"
    )]
    AgentSilent {
        /// The node.
        node: String,
        /// The lab.
        lab: String,
        /// How long was waited.
        seconds: u64,
        /// Its own last line on standard error.
        words: String,
    },
    /// The log of an agent cannot be read.
    #[error("read reports of node {node} of lab {lab}: {source}")]
    Log {
        /// The node.
        node: String,
        /// The lab.
        lab: String,
        /// What the system said.
        source: io::Error,
    },
    /// Traffic went through and no agent saw it.
    #[error(
        "find the path from {from} to {to} in lab {lab}: no observer reported it: {words}; \
         `cargo xtask run --format json -- --interval 1s` repeats it"
    )]
    NoPath {
        /// Sending pod.
        from: String,
        /// Receiving pod.
        to: String,
        /// The lab.
        lab: String,
        /// The agent's own last line on standard error.
        words: String,
    },
    /// The outcome cannot be written as JSON.
    #[error("write the outcome as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Ctrl-C or SIGTERM.
    #[error("stopped before there was a result; labs, observers and their state are removed")]
    Interrupted,
}
