//! Composition of a replay: the frames of node bundles through the packet step over plain cells, and
//! from there through the modules that the live agent uses, to one document.
//!
//! Never: a device, a socket or a clock of this machine; a decision of its own about a path.

mod exemplars;
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
use crate::export::span::Span;
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
    let mut joined = join::Joined::default();
    for bundle in bundles {
        let place = Place::open(bundle)?;
        let seen = observe(place.folder()).map_err(|error| match error {
            ReplayError::Bundle(error) => place.name(error).into(),
            other @ (ReplayError::Config(_) | ReplayError::Json(_)) => other,
        })?;
        joined.add(seen);
    }
    let Told {
        paths,
        spans,
        ledger,
    } = joined.finish();
    Ok(document(&paths, &spans, &ledger)?)
}

/// What one node says, or all of them.
struct Told {
    paths: Vec<PathReport>,
    spans: Vec<Span>,
    ledger: Ledger,
}

fn observe(folder: &Path) -> Result<Told, ReplayError> {
    node::observe(&Bundle::open(folder)?)
}
