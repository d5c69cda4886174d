//! The kernel programs: one per observation point and hook, and one for packets that the kernel drops.
//! Each reads the frame, calls the library and lets the packet on; no protocol is known here.
//!
//! Never: a verdict other than "next", a write to a packet, a mark or a timestamp.
#![cfg_attr(
    target_arch = "bpf",
    no_std,
    no_main,
    feature(core_intrinsics, asm_experimental_arch),
    expect(
        internal_features,
        reason = "core's atomics lack read-modify-write on this target"
    )
)]

#[cfg(target_arch = "bpf")]
#[path = "programs/arrival.rs"]
mod arrival;
#[cfg(target_arch = "bpf")]
#[path = "programs/atomic.rs"]
mod atomic;
#[cfg(target_arch = "bpf")]
#[path = "programs/drop.rs"]
mod drop;
#[cfg(target_arch = "bpf")]
#[path = "programs/entry.rs"]
mod entry;
#[cfg(target_arch = "bpf")]
#[path = "programs/frame.rs"]
mod frame;
#[cfg(target_arch = "bpf")]
#[path = "programs/maps.rs"]
mod maps;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
