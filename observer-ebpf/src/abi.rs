//! The records in the kernel maps and in the event ring: what the programs write and the agent
//! reads. Sizes are asserted at compile time, offsets in `tests/abi.rs`.
//!
//! Never: implicit padding, a `bool`, a pointer, an enum with data, a host-sized integer.

pub mod announced;
pub mod biflow;
pub mod control;
pub mod counter;
pub mod drop;
pub mod event;
pub mod fragment;
pub mod key;
pub mod outer;
pub mod point;
pub mod relay;
pub mod row;
pub mod wire;

/// Number of path numbers; the first [`FIRST_PATH`] are reserved.
pub const PATHS: u16 = 512;
/// Traffic of flows whose pair has no path number yet.
pub const PATH_UNKNOWN: u16 = 0;
/// Traffic of flows that got no entry (the table was full or the insert budget spent), or whose pair
/// found no path number left.
pub const PATH_REFUSED: u16 = 1;
/// Traffic with one end outside `networks`.
pub const PATH_EXTERNAL: u16 = 2;
/// Traffic with both ends outside `networks`: the node's own.
pub const PATH_HOST: u16 = 3;
/// The first number that user space gives to a pair.
pub const FIRST_PATH: u16 = 4;
