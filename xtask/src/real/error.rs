//! What can go wrong while a scenario is looked at: the lab, an oracle or the traffic failed.

use crate::lab::LabError;
use crate::oracle::OracleError;
use crate::run::RunError;
use crate::traffic::TrafficError;

/// Why a scenario could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum RealError {
    /// The lab itself.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A second opinion.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// The observer, or the receiver beside it, could not be built.
    #[error(transparent)]
    Build(#[from] RunError),
    /// The traffic.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
}
