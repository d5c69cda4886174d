//! What can go wrong in the lab, each as one line: what was attempted, on what, and the cause.
//! It never decides what to do about it.

use std::io;
use std::path::PathBuf;

/// A failure of the lab; the message says what was attempted, on what, why and how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A system call or file operation failed.
    #[error("{action}: {source}; {fix}")]
    Io {
        /// What was attempted, on what.
        action: String,
        /// The kernel's answer.
        source: io::Error,
        /// What the reader may do about it.
        fix: &'static str,
    },
    /// `ip`, `bridge` or `nft` refused something.
    #[error("run `{command}` in {netns}: {stderr}")]
    Command {
        /// The command or the batch line that was refused.
        command: String,
        /// The namespace it ran in.
        netns: String,
        /// What the tool said.
        stderr: String,
    },
    /// The lab name is in use.
    #[error(
        "bring up lab {name}: a lab of this name is up{held}; \
         `cargo xtask lab down {name}` removes it, or choose another name"
    )]
    NameTaken {
        /// The name asked for.
        name: String,
        /// Who holds it, as text.
        held: String,
    },
    /// No lab of that name has state on this machine.
    #[error("find lab {name}: no state in {path}; `cargo xtask lab list` names those that are up")]
    NoSuchLab {
        /// The name asked for.
        name: String,
        /// Where its state would be.
        path: PathBuf,
    },
    /// A name, count or node in the options makes no sense.
    #[error("read the lab options: {0}")]
    Options(String),
    /// The lab will not do this here and now; the text says why, and what to do about it.
    #[error("{0}")]
    Refused(String),
    /// The state file of a lab cannot be read.
    #[error("read lab state {path}: {reason}; remove {path} by hand if no lab is running")]
    State {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        reason: String,
    },
    /// Something did not become true in time.
    #[error("wait for {what}: not there after {seconds:.1} s; {detail}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        seconds: f64,
        /// What is known, for example the last lines of a log.
        detail: String,
    },
    /// A program of the lab gave an answer that makes no sense.
    #[error("ask {what}: {detail}")]
    Answer {
        /// Who was asked for what.
        what: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A process the lab needs ended by itself.
    #[error("start {what}: it ended at once; {detail}")]
    Ended {
        /// The process.
        what: String,
        /// The end of its log.
        detail: String,
    },
}

impl LabError {
    /// An I/O failure with the remedy that fits nearly all of them.
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> Self {
        let fix = if source.kind() == io::ErrorKind::PermissionDenied {
            "run as root"
        } else {
            "docs/lab.md says what the lab needs"
        };
        Self::Io {
            action: action.into(),
            source,
            fix,
        }
    }
}
