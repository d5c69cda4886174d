//! Nothing at all, one look-up of a hot flow, one clock read, one insert into a full LRU.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::{BPF_NOEXIST, TC_ACT_UNSPEC};
use aya_ebpf::btf_maps::{Array, LruHashMap};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_map, classifier};
use aya_ebpf::programs::TcContext;
use observer_ebpf::abi::key::FlowKey;

/// The hot entry, made by the benchmark under [`FlowKey::EMPTY`]. LRU; as many entries as `BIFLOWS`
/// by default, so that both hash into as many buckets: 16,384 of 40 + 16 bytes, 2 MB.
#[btf_map]
static HOT: LruHashMap<FlowKey, [u64; 2], 16384> = LruHashMap::new();

/// As large as an entry of `BIFLOWS`: key and value in words.
type Key = [u64; 5];
type Value = [u64; 36];

/// Filled by the benchmark, so that each insert evicts. LRU; 16,384 entries of 40 + 288 bytes, 6.4 MB.
#[btf_map]
static FULL: LruHashMap<Key, Value, 16384> = LruHashMap::new();
/// What an entry begins as. One of 288 bytes.
#[btf_map]
static FIRST: Array<Value, 1> = Array::new();
/// The last key. One word.
#[btf_map]
static SERIAL: Array<u64, 1> = Array::new();

/// Costs what calling a program costs.
#[classifier]
pub(crate) fn empty(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// One look-up with a 40-byte key in an LRU hash, two atomic additions to the value.
#[classifier]
pub(crate) fn look_up(ctx: TcContext) -> i32 {
    if let Some(value) = HOT.get_ptr_mut(FlowKey::EMPTY) {
        let length = u64::from(ctx.len());
        // SAFETY: the pointer is a live map value of two aligned words.
        unsafe {
            let first = value.cast::<u64>();
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(first, 1);
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(first.add(1), length);
        }
    }
    TC_ACT_UNSPEC
}

/// One insert of a key that never was there, with a value as large as an entry of `BIFLOWS`.
#[classifier]
pub(crate) fn lru_insert(_ctx: TcContext) -> i32 {
    if let (Some(serial), Some(first)) = (SERIAL.get_ptr_mut(0), FIRST.get(0)) {
        // SAFETY: the pointer is a live map value of one aligned word; one benchmark at a time.
        let number = unsafe {
            *serial = (*serial).wrapping_add(1);
            *serial
        };
        let key = [number, 0, 0, 0, 0];
        if FULL.insert(&key, first, u64::from(BPF_NOEXIST)).is_err() {
            return 0;
        }
    }
    TC_ACT_UNSPEC
}

/// One read of the clock, kept alive by its one impossible answer.
#[classifier]
pub(crate) fn clock(_ctx: TcContext) -> i32 {
    // SAFETY: a helper without arguments.
    if unsafe { bpf_ktime_get_ns() } == u64::MAX {
        return 0;
    }
    TC_ACT_UNSPEC
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that can reach this.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
