//! Where the step's numbers live: cells that several CPUs may write. In the kernel they are atomics
//! over map memory, on the host plain cells, so that one source serves both.
//!
//! Never: an ordering stronger than relaxed (kernels before 6.15 refuse acquire and release), or an
//! operation that BPF lacks (a maximum is a compare-and-exchange).

use core::cell::Cell;

/// A 32-bit cell.
pub trait Cell32 {
    /// Reads the value.
    fn load(&self) -> u32;
    /// Overwrites the value.
    fn store(&self, value: u32);
    /// Adds, wrapping.
    fn add(&self, value: u32);
    /// Sets bits and returns what was there before.
    fn fetch_or(&self, bits: u32) -> u32;
}

/// A 64-bit cell.
pub trait Cell64 {
    /// Reads the value.
    fn load(&self) -> u64;
    /// Overwrites the value.
    fn store(&self, value: u64);
    /// Adds, wrapping.
    fn add(&self, value: u64);
    /// Sets bits.
    fn set_bits(&self, bits: u64);
    /// Stores `new` if the cell holds `expected`; true if it did.
    fn replace(&self, expected: u64, new: u64) -> bool;
}

/// A number that only grows and has one writer at a time: a row of a per-CPU map.
pub trait Tally {
    /// Adds, wrapping.
    fn add(&self, value: u64);
}

impl Cell32 for Cell<u32> {
    fn load(&self) -> u32 {
        self.get()
    }
    fn store(&self, value: u32) {
        self.set(value);
    }
    fn add(&self, value: u32) {
        self.set(self.get().wrapping_add(value));
    }
    fn fetch_or(&self, bits: u32) -> u32 {
        self.replace(self.get() | bits)
    }
}

impl Cell64 for Cell<u64> {
    fn load(&self) -> u64 {
        self.get()
    }
    fn store(&self, value: u64) {
        self.set(value);
    }
    fn add(&self, value: u64) {
        self.set(self.get().wrapping_add(value));
    }
    fn set_bits(&self, bits: u64) {
        self.set(self.get() | bits);
    }
    fn replace(&self, expected: u64, new: u64) -> bool {
        let held = self.get() == expected;
        if held {
            self.set(new);
        }
        held
    }
}

impl Tally for Cell<u64> {
    fn add(&self, value: u64) {
        self.set(self.get().wrapping_add(value));
    }
}
