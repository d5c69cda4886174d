//! What the kernel programs and the agent share: units, the ABI records in the maps, the parser and
//! the packet step. The same source runs in the kernel, in the agent and in `replay`.
//!
//! Never: allocation, input or output, a clock (time is an argument), unsafe code, a panic.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::float_arithmetic
)]

#[cfg(any(test, feature = "fixtures"))]
extern crate std;

pub mod abi;
pub mod cell;
#[cfg(feature = "fixtures")]
pub mod fixtures;
pub mod parse;
pub mod step;
pub mod units;
