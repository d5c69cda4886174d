//! Why a bundle is refused: always with the file, and with the byte where that is known.

use std::path::{Path, PathBuf};

use super::capture::CaptureError;

/// A bundle cannot be used. Names of files are hostile too: they are shown escaped.
#[derive(Debug, thiserror::Error)]
#[error("read {path:?}: {cause}")]
pub struct BundleError {
    /// File or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is a damaged capture, or one of a kind that is not read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// It is no JSON, or not of the form that the tool prints.
    #[error("byte {offset}: {reason}")]
    Json {
        /// Bytes from the beginning.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// What it says cannot be used.
    #[error("{0}")]
    Content(String),
}

impl Cause {
    pub(super) fn of(self, path: &Path) -> BundleError {
        BundleError {
            path: path.to_owned(),
            cause: self,
        }
    }
}
