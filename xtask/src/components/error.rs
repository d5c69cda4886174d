//! What can go wrong while components are built: what was attempted, on what, why, how to fix it.

use std::io;

use super::go::{NEEDED, OFFICIAL};
use crate::command::CommandError;

/// Why a component was not built.
#[derive(Debug, thiserror::Error)]
pub enum ComponentsError {
    /// There is no Go, or none that is new enough.
    #[error(
        "build {component}: Go {NEEDED} or newer is needed; looked for `go` on the path and in \
         {OFFICIAL}, found {found}\n  install the distribution's package (golang-go, golang or go) \
         if it is new enough, else unpack the Go project's own archive so that {OFFICIAL}/go \
         is there, and repeat `cargo xtask lab build`"
    )]
    NoGo {
        /// Name of the component.
        component: &'static str,
        /// What was found instead.
        found: String,
    },
    /// There is no C compiler for a component with C code.
    #[error(
        "build {component}: it has C code, and the C compiler `{compiler}` is not on the path; \
         install the packages gcc and libc6-dev (or what the distribution calls them)"
    )]
    NoCompiler {
        /// Name of the component.
        component: &'static str,
        /// What Go would call.
        compiler: String,
    },
    /// Go could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Modules could not be downloaded.
    #[error(
        "build {program}: no answer from the network while modules are downloaded: {cause}\n  \
         once the network (or the proxy that GOPROXY names) answers, repeat `cargo xtask lab build`"
    )]
    NoNetwork {
        /// File name of the program.
        program: &'static str,
        /// Go's line about it.
        cause: String,
    },
    /// The build ended with failure.
    #[error("build {program}:\n{tail}")]
    Build {
        /// File name of the program.
        program: &'static str,
        /// The last lines of Go's output.
        tail: String,
    },
    /// A file of the cache could not be read or written.
    #[error("{action}: {source}; NETPATH_CACHE names another folder for built components")]
    Io {
        /// What was attempted, on what.
        action: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ComponentsError {
    /// This machine lacks a compiler; the others are failures of a step.
    #[must_use]
    pub fn lacks_a_compiler(&self) -> bool {
        matches!(self, Self::NoGo { .. } | Self::NoCompiler { .. })
    }
}
