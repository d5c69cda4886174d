//! What the instrumented code tells of its comparisons. The linker puts these functions before those of
//! libFuzzer (`--wrap`), which get from them what they learn from. Comparisons outside of a target's run
//! are of no input, and told to nobody.
//!
//! The coverage pass leaves functions alone whose names begin with `__sanitizer_`: their comparisons would
//! be told to themselves without end. So the others here do not compare.

use std::slice;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

use crate::compares::Pair;

/// Comparisons that are remembered: those of a few inputs.
const ROOM: usize = 256;
/// The most cases of a `match` that are remembered.
const CASES: usize = 64;

static LATEST: [AtomicU32; ROOM] = [const { AtomicU32::new(0) }; ROOM];
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    #[link_name = "__real___sanitizer_cov_trace_cmp4"]
    safe fn learn_32(one: u32, other: u32);
    #[link_name = "__real___sanitizer_cov_trace_cmp8"]
    safe fn learn_64(one: u64, other: u64);
    #[link_name = "__real___sanitizer_cov_trace_switch"]
    fn learn_switch(value: u64, cases: *const u64);
}

/// Runs a target, and remembers what it compares.
pub(crate) fn listen(run: impl FnOnce()) {
    IS_RUNNING.store(true, Relaxed);
    run();
    IS_RUNNING.store(false, Relaxed);
}

/// The latest comparisons of two numbers that 16 bits hold and 8 do not.
pub(crate) fn latest() -> Vec<Pair> {
    let pairs = LATEST.iter().map(|pair| pair.load(Relaxed));
    let pairs = pairs.filter(|pair| *pair != 0);
    pairs
        .map(|pair| ((pair >> 16) as u16, pair as u16))
        .collect()
}

#[unsafe(export_name = "__sanitizer_netpath_16")]
#[inline(never)]
extern "C" fn note(one: u64, other: u64) {
    if IS_RUNNING.load(Relaxed) && one != other && (0x100..0x1_0000).contains(&(one | other)) {
        LATEST[(one ^ other) as usize % ROOM].store((one << 16 | other) as u32, Relaxed);
    }
}

#[unsafe(export_name = "__sanitizer_netpath_32")]
#[inline(never)]
extern "C" fn note_32(one: u32, other: u32) {
    if IS_RUNNING.load(Relaxed) {
        note(one.into(), other.into());
        learn_32(one, other);
    }
}

#[unsafe(export_name = "__sanitizer_netpath_64")]
#[inline(never)]
extern "C" fn note_64(one: u64, other: u64) {
    if IS_RUNNING.load(Relaxed) {
        note(one, other);
        learn_64(one, other);
    }
}

/// # Safety
///
/// `cases` are the table of a `match`: how many, bits of each, and the numbers.
#[unsafe(export_name = "__sanitizer_netpath_switch")]
#[inline(never)]
unsafe extern "C" fn note_switch(value: u64, cases: *const u64) {
    if IS_RUNNING.load(Relaxed) {
        // SAFETY: the table has as many numbers as its first one says, behind two.
        let numbers = unsafe { slice::from_raw_parts(cases.add(2), *cases as usize) };
        for &number in numbers.iter().take(CASES) {
            note(value, number);
        }
        // SAFETY: it takes the same table.
        unsafe { learn_switch(value, cases) };
    }
}

#[unsafe(export_name = "__wrap___sanitizer_cov_trace_cmp2")]
extern "C" fn compared_16(one: u16, other: u16) {
    note(one.into(), other.into());
}

#[unsafe(export_name = "__wrap___sanitizer_cov_trace_const_cmp2")]
extern "C" fn compared_constant_16(one: u16, other: u16) {
    note(one.into(), other.into());
}

#[unsafe(export_name = "__wrap___sanitizer_cov_trace_cmp4")]
extern "C" fn compared_32(one: u32, other: u32) {
    note_32(one, other);
}

#[unsafe(export_name = "__wrap___sanitizer_cov_trace_const_cmp4")]
extern "C" fn compared_constant_32(one: u32, other: u32) {
    note_32(one, other);
}

#[unsafe(export_name = "__wrap___sanitizer_cov_trace_cmp8")]
extern "C" fn compared_64(one: u64, other: u64) {
    note_64(one, other);
}

#[unsafe(export_name = "__wrap___sanitizer_cov_trace_const_cmp8")]
extern "C" fn compared_constant_64(one: u64, other: u64) {
    note_64(one, other);
}

/// # Safety
///
/// As [`note_switch`].
#[unsafe(export_name = "__wrap___sanitizer_cov_trace_switch")]
unsafe extern "C" fn switched(value: u64, cases: *const u64) {
    // SAFETY: the same table.
    unsafe { note_switch(value, cases) };
}
