//! Composition of a replay: the frames of node bundles through the packet step over plain cells, and
//! from there through the modules that the live agent uses, to one document.
//!
//! Never: a device, a socket or a clock of this machine; a decision of its own about a path.

mod cooked;
mod exemplars;
mod join;
mod learn;
mod node;
mod place;
mod regions;
mod roads;
mod signals;
mod sweeps;
mod told;
mod underlays;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use signals::at_signals;

use crate::config::ConfigError;
use crate::export::Ledger;
use crate::export::json::{JsonError, document};
use crate::export::span::Span;
use crate::path::PathReport;
use crate::record::{Bundle, BundleError, Place, Stop};

/// Bundles cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file is refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A bundle's settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two bundles are of one node.
    #[error("replay {bundle:?}: node {node:?} has a bundle already; give one per node")]
    Twice {
        /// The second one.
        bundle: PathBuf,
        /// Their node.
        node: String,
    },
    /// The document cannot be written.
    #[error("write the document: {0}")]
    Json(#[from] JsonError),
    /// Signals cannot be waited for.
    #[error("wait for signals: {0}")]
    Signals(std::io::Error),
    /// It was to stop.
    #[error("replay: stopped by a signal; nothing is left behind")]
    Stopped,
}

impl ReplayError {
    /// The process' exit code: 2 wrong arguments, of which a refused bundle is one; 1 all else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Bundle(_) | Self::Config(_) | Self::Twice { .. } => 2,
            Self::Json(_) | Self::Signals(_) | Self::Stopped => 1,
        }
    }
}

/// Replays one bundle per node, each a folder or an archive of one, into one JSON document, unless it
/// is to stop.
pub fn replay(bundles: &[PathBuf], stop: &Stop) -> Result<String, ReplayError> {
    let mut joined = join::Joined::default();
    let mut nodes = BTreeSet::new();
    for bundle in bundles {
        let seen = read(bundle, &mut nodes, stop);
        // Whatever was wrong when it was to stop, nobody waits for the word on it.
        if stop.is_set() {
            return Err(ReplayError::Stopped);
        }
        joined.add(seen?);
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

/// Replays a bundle, unless one of its node is known already.
fn read(given: &Path, nodes: &mut BTreeSet<String>, stop: &Stop) -> Result<Told, ReplayError> {
    let place = Place::open(given, stop)?;
    let told = Bundle::open(place.folder()).map_err(ReplayError::from);
    let told = told.and_then(|bundle| {
        if nodes.insert(bundle.node.clone()) {
            return node::observe(&bundle, stop);
        }
        Err(ReplayError::Twice {
            bundle: given.to_owned(),
            node: bundle.node,
        })
    });
    told.map_err(|error| match error {
        ReplayError::Bundle(error) => place.name(error).into(),
        ReplayError::Config(_)
        | ReplayError::Json(_)
        | ReplayError::Twice { .. }
        | ReplayError::Signals(_)
        | ReplayError::Stopped => error,
    })
}
