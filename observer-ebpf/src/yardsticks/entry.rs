//! Nothing at all, one look-up of a hot flow, one clock read, one insert into a full LRU; and 60,000
//! flows in scattered order before any other program.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::{BPF_NOEXIST, TC_ACT_UNSPEC};
use aya_ebpf::btf_maps::{Array, LruHashMap, ProgramArray};
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
type Value = [u64; 37];

/// Filled by the benchmark, so that each insert evicts. LRU; 16,384 entries of 40 + 296 bytes, 6.6 MB.
#[btf_map]
static FULL: LruHashMap<Key, Value, 16384> = LruHashMap::new();
/// What an entry begins as. One of 296 bytes.
#[btf_map]
static FIRST: Array<Value, 1> = Array::new();
/// The last key. One word.
#[btf_map]
static SERIAL: Array<u64, 1> = Array::new();

/// Flows that [`mix`] makes of one frame: so many hosts, each with so many ports.
const FLOWS: u64 = 60_000;
const HOSTS: u64 = 240;
/// Of a plain IPv4 frame: the last byte of its destination, then its source port.
const HOST: usize = 14 + 19;
/// Lowest host and port.
const FIRST_HOST: u64 = 1;
const FIRST_PORT: u64 = 1_024;

/// Number of the flow that is on its way, and how far it is to the next; the benchmark says so. Two
/// words.
#[btf_map]
static FLOW: Array<[u64; 2], 1> = Array::new();
/// What [`mix`] hands each frame to. One program.
#[btf_map]
static NEXT: ProgramArray<1> = ProgramArray::new();
/// One entry for each flow of [`mix`], made by the benchmark, which also says how many there are:
/// of 40 + 296 bytes, as in `BIFLOWS`. LRU; 1,024 entries, 0.4 MB, where there is no mix.
#[btf_map]
static MIXED: LruHashMap<Key, Value, 1024> = LruHashMap::new();

/// Makes the frame one of another flow, then calls what is in [`NEXT`]. The kernel repeats a run's
/// bytes: only so do many runs in a row meet many flows. Answers 0 if nothing could be called.
#[classifier]
pub(crate) fn mix(ctx: TcContext) -> i32 {
    let Some(flow) = FLOW.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the pointer is a live map value of two aligned words; one benchmark at a time.
    let number = unsafe {
        let [number, stride] = *flow;
        let next = (number + stride) % FLOWS;
        *flow = [next, stride];
        next
    };
    let first = ctx.data() + HOST;
    if first + 3 > ctx.data_end() {
        return 0;
    }
    let [.., high, low] = (FIRST_PORT + number / HOSTS).to_be_bytes();
    let host = (FIRST_HOST + number % HOSTS) as u8;
    // SAFETY: the three bytes lie inside the packet, as just tested; the frame is the benchmark's.
    unsafe { (first as *mut [u8; 3]).write([host, high, low]) };
    // SAFETY: nothing is held that would have to be dropped.
    unsafe { NEXT.tail_call(&ctx, 0) };
    0
}

/// [`look_up`] of the flow that [`mix`] has made of the frame.
#[classifier]
pub(crate) fn look_up_mixed(ctx: TcContext) -> i32 {
    if let Some(&[number, _]) = FLOW.get(0)
        && let Some(value) = MIXED.get_ptr_mut([number, 0, 0, 0, 0])
    {
        // SAFETY: the pointer is a live map value of 37 aligned words.
        unsafe { count(value.cast(), &ctx) };
    }
    TC_ACT_UNSPEC
}

/// Two atomic additions: a packet and its length.
///
/// # Safety
/// `first` leads to two aligned words of a live map value.
#[inline(always)]
unsafe fn count(first: *mut u64, ctx: &TcContext) {
    let length = u64::from(ctx.len());
    // SAFETY: as the caller promises.
    unsafe {
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(first, 1);
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(first.add(1), length);
    }
}

/// Costs what calling a program costs.
#[classifier]
pub(crate) fn empty(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// One look-up with a 40-byte key in an LRU hash, two atomic additions to the value.
#[classifier]
pub(crate) fn look_up(ctx: TcContext) -> i32 {
    if let Some(value) = HOT.get_ptr_mut(FlowKey::EMPTY) {
        // SAFETY: the pointer is a live map value of two aligned words.
        unsafe { count(value.cast(), &ctx) };
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
