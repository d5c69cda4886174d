//! What the benchmark measures the programs against: tiny programs of known content. The agent
//! neither embeds nor attaches them.
//!
//! Never: work that a benchmark does not ask for, or a verdict other than "next" for a frame that one
//! may send through it.
#![cfg_attr(
    target_arch = "bpf",
    no_std,
    no_main,
    feature(core_intrinsics),
    expect(
        internal_features,
        reason = "core's atomics lack read-modify-write on this target"
    )
)]

#[cfg(target_arch = "bpf")]
#[path = "yardsticks/entry.rs"]
mod entry;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
