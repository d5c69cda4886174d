//! A token that ends a load early; passed in, never global.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells loads to end after the exchange they are in.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends every load that holds a copy of this token.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is time to end.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
