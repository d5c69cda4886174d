//! The receiver of OTLP that stands beside an agent: where its program is and what it wrote down.
//! It is an example of the observer's crate, so that this one needs no gRPC. Nothing is started here.

pub mod arrived;

use std::path::{Path, PathBuf};

/// Name of the example.
pub const EXAMPLE: &str = "otlp_sink";

/// The receiver's program that cargo builds beside this agent (`target/debug/observer`).
#[must_use]
pub fn beside(observer: &Path) -> PathBuf {
    observer.with_file_name("examples").join(EXAMPLE)
}

#[cfg(test)]
mod tests;
