//! What leaves the agent: spans and metrics over OTLP, JSON lines, and a table for people. The only
//! place with attribute and metric names.
//!
//! Never: a look-up in the kernel or the cluster, a decision about a path, a wait in the caller.
//! Everything but `otlp` is pure.

use std::collections::BTreeMap;

pub mod json;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod span;
pub mod table;

mod attribute;
#[cfg(test)]
pub(crate) mod fixture;
mod subject;
mod wire;

pub use attribute::{Attribute, Value};
pub use subject::finding_about;

/// The loss ledger: cumulative counts by name, with a reason behind the first dot where there is one
/// (`parse_rejected.too_short`); and states by name, such as devices that are not observed now.
pub type Ledger = BTreeMap<String, u64>;
