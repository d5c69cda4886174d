//! One sweep: the kernel maps as plain values, and from them the reports of all paths.
//!
//! Never: an export, a route look-up, a write to a map.

mod announced;
mod assemble;
mod captured;
mod classes;
mod crossed;
mod drops;
mod fragments;
mod legs;
mod nesting;
mod outer;
mod overhead;
mod plain;
mod proxy;
mod read;
mod rows;
mod seen;
mod sums;
mod wires;

pub use announced::AnnouncedStore;
pub use assemble::{Context, Memory, Remembered, assemble};
pub use captured::read_captured;
pub use crossed::crossed;
pub use drops::{DropNames, DropStore};
pub use outer::{OuterFlows, Session};
pub use plain::plain_destinations;
pub use read::{Snapshot, read};
pub use rows::{RowStore, RowValue};
pub use seen::{Direction, Seen, Standing};
pub use wires::{WireRows, Wired, Wires};
