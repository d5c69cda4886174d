//! What can go wrong while traffic is driven.

use std::io;

use crate::lab::LabError;

/// A failure of a load; loss is no failure but a number in its report.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The namespace cannot be entered.
    #[error("drive traffic: {0}")]
    Place(#[from] LabError),
    /// A socket call failed.
    #[error("{action}: {source}; check the path with `cargo xtask lab shell`")]
    Socket {
        /// What was attempted, on what.
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The other end failed first.
    #[error("{action}: the other end is not there")]
    OtherEnd {
        /// What was attempted, on what.
        action: String,
    },
}

impl TrafficError {
    /// A socket failure with its context.
    pub(crate) fn socket(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Socket { action, source }
    }
}
