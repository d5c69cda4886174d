//! Why a kernel could not be had or booted: what was attempted, on what, why, how to fix it.

use std::io;

use crate::command::CommandError;

/// A kernel is not to be had, or could not be booted.
#[derive(Debug, thiserror::Error)]
pub enum KernelsError {
    /// Debian's cloud kernels are looked for on x86-64 alone.
    #[error("boot other kernels: only on x86-64 so far, this is {0}")]
    Architecture(&'static str),
    /// The distribution does not offer the series.
    #[error(
        "find a package linux-image-{series}.*-cloud-amd64: apt knows none; needs Debian 12 or newer \
         with its sources for {series} and `apt-get update`"
    )]
    NoPackage {
        /// Such as `6.1`.
        series: &'static str,
    },
    /// The unpacked package lacks a file.
    #[error("find {what} in package {package}: it is not there; remove {folder} and repeat")]
    NoFile {
        /// File.
        what: String,
        /// Package.
        package: String,
        /// Where it was unpacked.
        folder: String,
    },
    /// A program could not be started or failed.
    #[error(
        "{0}; packages that this needs: qemu-system-x86, binutils, xz-utils, apt, dpkg, iproute2, nftables, util-linux"
    )]
    Command(#[from] CommandError),
    /// A file could not be read or written.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, on what.
        action: String,
        /// Why.
        source: io::Error,
    },
}

impl KernelsError {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
