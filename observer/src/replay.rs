//! Composition of a replay: the frames of node bundles through the packet step over plain cells, and
//! from there through the modules that the live agent uses, to one document.
//!
//! Never: a device, a socket or a clock of this machine; a decision of its own about a path.

mod join;
mod learn;
mod node;
mod place;
mod regions;
mod roads;
mod underlays;

use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::export::Ledger;
use crate::export::json::{JsonError, document};
use crate::path::PathReport;
use crate::record::{Bundle, BundleError, Place};

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

/// Replays one bundle per node, each a folder or an archive of one, into one JSON document.
pub fn replay(bundles: &[PathBuf]) -> Result<String, ReplayError> {
    let mut seen = join::Joined::default();
    for bundle in bundles {
        let place = Place::open(bundle)?;
        let (paths, ledger) = observe(place.folder()).map_err(|error| match error {
            ReplayError::Bundle(error) => place.name(error).into(),
            other @ (ReplayError::Config(_) | ReplayError::Json(_)) => other,
        })?;
        seen.add(paths, ledger);
    }
    let (paths, ledger) = seen.finish();
    Ok(document(&paths, &ledger)?)
}

fn observe(folder: &Path) -> Result<(Vec<PathReport>, Ledger), ReplayError> {
    node::observe(&Bundle::open(folder)?)
}
