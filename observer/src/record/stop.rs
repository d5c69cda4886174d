//! A wish that reading ends before its end, asked for between two frames or two parts of an archive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The wish; all copies are the same one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Wishes it.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once somebody has wished it.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
