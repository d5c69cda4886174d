//! Why there are no numbers, each as one line: what was attempted, on what, and the cause.

use std::io;
use std::path::PathBuf;

use aya::maps::MapError;

use crate::command::CommandError;
use crate::lab::LabError;
use crate::traffic::TrafficError;

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A build or a program failed.
    #[error("prepare the benchmark: {0}")]
    Command(#[from] CommandError),
    /// Cargo did not say where it put something.
    #[error("find {what} among cargo's artifacts: it is not there")]
    Missing {
        /// Name of the binary.
        what: &'static str,
    },
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Traffic failed.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// Two rows would have one name.
    #[error("compare with several programs: two have one label; write LABEL=OBJECT.o:PROGRAM")]
    Labels,
    /// Rows of another run cannot be used.
    #[error(
        "read rows from {}: {reason}; give what `cargo xtask bench --format json` printed",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A page cannot be written.
    #[error("write the measured table into {page}: {reason}")]
    Page {
        /// The page.
        page: &'static str,
        /// Why.
        reason: String,
    },
    /// The kernel does not name a map.
    #[error("ask the kernel for the name of map {id}: {cause}; needs root")]
    Map {
        /// Its identifier.
        id: u32,
        /// Why.
        cause: MapError,
    },
    /// Ctrl-C, or another signal that ends a program.
    #[error("interrupted: the lab is removed, and nothing is written")]
    Interrupted,
    /// A helper process failed.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, on what.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A measurement would have been of something else.
    #[error("{action}: found {found}, expected {expected}; the block would measure something else")]
    Unexpected {
        /// What was checked.
        action: String,
        /// What was found.
        found: String,
        /// What should be there.
        expected: String,
    },
}

impl BenchError {
    /// A failure of the system with its context.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
