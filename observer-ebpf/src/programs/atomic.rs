//! Atomic cells over map memory. BPF cpu v3 has add, or, exchange and compare-exchange on 32 and 64
//! bits; kernels before 6.15 refuse any ordering but relaxed.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_or, atomic_xadd};

use observer_ebpf::cell::{Cell32, Cell64, Tally};

const RELAXED: AtomicOrdering = AtomicOrdering::Relaxed;
/// For operations whose old value is used. Of a relaxed 32-bit one LLVM 22 emits the instruction
/// that does not fetch, and then takes the operand for the old value.
const FETCHING: AtomicOrdering = AtomicOrdering::SeqCst;

/// A 32-bit word of a shared map.
#[repr(transparent)]
pub(crate) struct Atomic32(UnsafeCell<u32>);

/// A 64-bit word of a shared map.
#[repr(transparent)]
pub(crate) struct Atomic64(UnsafeCell<u64>);

/// A 64-bit word of a per-CPU map.
#[repr(transparent)]
pub(crate) struct Own64(UnsafeCell<u64>);

// SAFETY (all blocks below): the pointer comes from a live cell inside a map value, aligned by the
// record's layout; aligned loads and stores of up to 64 bits are single instructions on BPF, and
// every other access in this file is an atomic instruction.
impl Cell32 for Atomic32 {
    #[inline(always)]
    fn load(&self) -> u32 {
        // SAFETY: see above.
        unsafe { self.0.get().read_volatile() }
    }
    #[inline(always)]
    fn store(&self, value: u32) {
        // SAFETY: see above.
        unsafe { self.0.get().write_volatile(value) }
    }
    #[inline(always)]
    fn add(&self, value: u32) {
        // SAFETY: see above.
        unsafe { atomic_xadd::<u32, u32, RELAXED>(self.0.get(), value) };
    }
    #[inline(always)]
    fn fetch_or(&self, bits: u32) -> u32 {
        // SAFETY: see above.
        unsafe { atomic_or::<u32, u32, FETCHING>(self.0.get(), bits) }
    }
}

impl Cell64 for Atomic64 {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: see above.
        unsafe { self.0.get().read_volatile() }
    }
    #[inline(always)]
    fn store(&self, value: u64) {
        // SAFETY: see above.
        unsafe { self.0.get().write_volatile(value) }
    }
    #[inline(always)]
    fn add(&self, value: u64) {
        // SAFETY: see above.
        unsafe { atomic_xadd::<u64, u64, RELAXED>(self.0.get(), value) };
    }
    #[inline(always)]
    fn set_bits(&self, bits: u64) {
        // SAFETY: see above.
        unsafe { atomic_or::<u64, u64, RELAXED>(self.0.get(), bits) };
    }
    #[inline(always)]
    fn replace(&self, expected: u64, new: u64) -> bool {
        // SAFETY: see above.
        unsafe { atomic_cxchg::<u64, RELAXED, RELAXED>(self.0.get(), expected, new).1 }
    }
}

impl Tally for Own64 {
    #[inline(always)]
    fn add(&self, value: u64) {
        // SAFETY: see above; programs on one CPU do not interrupt each other at these hooks.
        unsafe { *self.0.get() = (*self.0.get()).wrapping_add(value) }
    }
}

/// The same value as one that the compiler knows nothing of.
#[inline(always)]
pub(crate) fn any(mut value: u64) -> u64 {
    // SAFETY: moves a register onto itself.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
    value
}
