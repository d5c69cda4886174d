//! Composition of a replay: the frames of node bundles through the packet step over plain cells, and
//! from there through the modules that the live agent uses, to one document.
//!
//! Never: a device, a socket or a clock of this machine; a decision of its own about a path.

mod join;
mod learn;
mod node;
mod place;
mod roads;
mod underlays;

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::export::json::{JsonError, document};
use crate::record::{Bundle, BundleError};

/// Bundles cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file is refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A bundle's settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The document cannot be written.
    #[error("write the document: {0}")]
    Json(#[from] JsonError),
}

/// Replays one bundle per node into one JSON document.
pub fn replay(folders: &[PathBuf]) -> Result<String, ReplayError> {
    let mut seen = join::Joined::default();
    for folder in folders {
        let bundle = Bundle::open(folder)?;
        let (paths, ledger) = node::observe(&bundle)?;
        seen.add(paths, ledger);
    }
    let (paths, ledger) = seen.finish();
    Ok(document(&paths, &ledger)?)
}
