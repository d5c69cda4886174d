//! Nothing at all, one look-up of a hot flow, one clock read.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::btf_maps::LruHashMap;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_map, classifier};
use aya_ebpf::programs::TcContext;
use observer_ebpf::abi::key::FlowKey;

/// The hot entry, made by the benchmark under [`FlowKey::EMPTY`]. LRU; as many entries as `BIFLOWS`
/// by default, so that both hash into as many buckets: 16,384 of 40 + 16 bytes, 2 MB.
#[btf_map]
static HOT: LruHashMap<FlowKey, [u64; 2], 16384> = LruHashMap::new();

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
