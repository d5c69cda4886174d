//! The maps, and their view as the step's tables. The only file that dereferences map memory.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_NOEXIST, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::btf_map;

use observer_ebpf::abi::announced::{ANNOUNCED as ANNOUNCED_COUNT, AnnouncedKey};
use observer_ebpf::abi::biflow::Biflow;
use observer_ebpf::abi::control::{BUDGETS, Budget, Control};
use observer_ebpf::abi::counter::{COUNTERS as CELLS, Counter, Own, ROOM};
use observer_ebpf::abi::drop::{DROPS as DROP_COUNT, DropKey, DropRecord, DropRules};
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::fragment::{FRAGMENTS as FRAGMENT_COUNT, FirstFragment, FragmentKey};
use observer_ebpf::abi::key::{Address, FlowKey, NODES as NODE_COUNT, PairKey};
use observer_ebpf::abi::outer::{OuterFlow, OuterKey};
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::abi::relay::{RELAYS as RELAY_COUNT, RelayKey};
use observer_ebpf::abi::row::{FragmentRow, ROWS, Row, RttRow, TrafficRow};
use observer_ebpf::abi::wire::{ARRIVALS as SLOTS, UNDERLAYS, WireRow, underlay};
use observer_ebpf::parse::Packet;
use observer_ebpf::step::{Inserted, Rates, Tables, Wires};
use observer_ebpf::units::{Jiffies, Monotonic};

use crate::atomic::{Atomic32, Atomic64, Own64, any};

type Entry = Biflow<Atomic32, Atomic64>;
const ROW_COUNT: usize = ROWS as usize;

/// Canonical inner flow -> its state. LRU; 16,384 entries by default (the agent sets the size) of
/// 40 + 296 bytes: 6.6 MB with the kernel's overhead.
#[btf_map]
static BIFLOWS: LruHashMap<FlowKey, Entry, 16384> = LruHashMap::new();
/// What a new entry begins as: one zeroed value, never written. 296 bytes.
#[btf_map]
static ZERO: Array<Entry, 1> = Array::new();
/// Prefixes that pods and services live in. 64 entries, written by user space; 4 KB.
#[btf_map]
static NETWORKS: LpmTrie<[u8; 16], u32, 64> = LpmTrie::new();
/// Addresses that nodes have in the pods' networks: of their VXLAN devices and pod bridges. 1,024
/// entries, written by user space; 64 KB.
#[btf_map]
static NODES: HashMap<Address, u32, { NODE_COUNT as usize }> = HashMap::new();
/// Two addresses -> path number and sampling rate. 16,384 entries, written by user space; 1.6 MB.
#[btf_map]
static PAIRS: HashMap<PairKey, u32, 16384> = HashMap::new();
/// Translated flow -> path number of its real pods, sampling rate, flags. LRU, 8,192 entries,
/// written by user space; 0.8 MB.
#[btf_map]
static TRANSLATIONS: LruHashMap<FlowKey, u32, 8192> = LruHashMap::new();
/// Traffic per CPU, path, point and direction: 8,192 rows of 32 bytes for each CPU, 262 KB. A plain
/// array, sized by the agent: of a per-CPU one every packet would first load a cold pointer.
#[btf_map]
static TRAFFIC: Array<TrafficRow<Own64>, ROW_COUNT> = Array::new();
/// Round-trip histograms per path, point and direction; 8,192 rows of 584 bytes: 4.8 MB.
#[btf_map]
static RTT: Array<RttRow<Atomic32>, ROW_COUNT> = Array::new();
/// Fragments per path, point and direction; 8,192 rows of 16 bytes: 131 KB.
#[btf_map]
static FRAGMENT_COUNTS: Array<FragmentRow<Atomic64>, ROW_COUNT> = Array::new();
/// First fragments -> the ports of those behind them. LRU, 8,192 entries of 40 + 8 bytes: 0.8 MB; written
/// at first fragments alone. What was pushed out counts on its pair, and in the ledger.
#[btf_map]
static FRAGMENTS: LruHashMap<FragmentKey, FirstFragment, { FRAGMENT_COUNT as usize }> =
    LruHashMap::new();
/// Outer flows; 4,096 entries of 40 + 48 bytes: 0.6 MB. Refuses when full; user space removes idle
/// entries.
#[btf_map]
static OUTER_FLOWS: HashMap<OuterKey, OuterFlow<u64>, 4096> = HashMap::new();
/// Where DERP relays listen. 256 entries, written by user space; 16 KB.
#[btf_map]
static RELAYS: HashMap<RelayKey, u32, { RELAY_COUNT as usize }> = HashMap::new();
/// Window words of the budgets; 5 entries.
#[btf_map]
static BUDGET_WORDS: Array<Atomic64, BUDGETS> = Array::new();
/// Events to user space, 256 KiB; full = counted.
#[btf_map]
static EVENTS: RingBuf<(), 262_144> = RingBuf::new();
/// The loss ledger and room that the stack lacks, in one value so that a packet finds both by one
/// look-up; one entry of 1.5 KB for each CPU, sized by the agent as `TRAFFIC`. In a map the verifier
/// also forgets what was stored, so that the parser's many paths meet in one state.
#[btf_map]
static COUNTERS: Array<Own<Own64>, 1> = Array::new();
/// Frames on the wire per CPU and underlay: 3 rows of 256 bytes for each CPU, sized by the agent.
#[btf_map]
static WIRES: Array<WireRow<Own64>, { UNDERLAYS as usize }> = Array::new();
/// Selected packets between XDP and TC ingress: 1,024 words by a hash of the packet, 8 KB. A later
/// packet takes a slot over, which is counted.
#[btf_map]
static ARRIVALS: Array<Atomic64, { SLOTS as usize }> = Array::new();
/// What user space says; one entry of 64 bytes, mapped by the agent.
#[btf_map]
static CONTROL: Array<Control, 1, { BPF_F_MMAPABLE as usize }> = Array::new();
/// MTUs that ICMP errors announced to pods, by sender, path and direction -> packets. 1,024 entries of
/// 24 + 8 bytes: 0.1 MB. Refuses when full, counted; user space removes those of paths that are gone.
#[btf_map]
static ANNOUNCED: HashMap<AnnouncedKey, u64, { ANNOUNCED_COUNT as usize }> = HashMap::new();
/// What of the packets that the kernel drops is taken. One entry of 344 bytes, written by user space.
#[btf_map]
pub(crate) static DROP_RULES: Array<DropRules, 1> = Array::new();
/// Packets dropped for their size, by place, reason, device, path and direction. 1,024 entries of 12 + 24
/// bytes: 0.1 MB. Refuses when full, counted; user space removes those of paths that are gone.
#[btf_map]
pub(crate) static DROPS: HashMap<DropKey, DropRecord, { DROP_COUNT as usize }> = HashMap::new();
/// Room for a dropped packet: its program may interrupt the others, and is interrupted by them. One of
/// 1.2 KB for each CPU.
#[btf_map]
pub(crate) static DROP_ROOM: PerCpuArray<DropRoom, 1> = PerCpuArray::new();
/// This CPU's own memory: the step's tables with its ledger, room for a packet and for a head.
#[inline(always)]
pub(crate) fn own() -> Option<(Kernel, &'static mut Packet, &'static mut [u8; ROOM])> {
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let own = COUNTERS.get_ptr_mut(cpu)?;
    // SAFETY: the fields are live, aligned and apart; one program at a time runs on a CPU at these
    // hooks and asks once; zeroes, as the map begins, are valid values.
    unsafe {
        let counters = &(*own).counters;
        let kernel = Kernel {
            counters,
            tunnel: &(*own).tunnel,
            rows: cpu * ROWS,
            wires: cpu * UNDERLAYS,
        };
        Some((kernel, &mut (*own).packet, &mut (*own).head))
    }
}

/// This CPU's room for what is inside a carrier.
#[inline(always)]
pub(crate) fn inner() -> Option<&'static mut Packet> {
    // SAFETY: as in [`own`]; the field is apart from those that it hands out.
    unsafe {
        let own = COUNTERS.get_ptr_mut(bpf_get_smp_processor_id())?;
        Some(&mut (*own).inner)
    }
}

/// Room for a packet, a copy of its head and its key, and what a new entry begins as: zeroes, never
/// written. On the stack the compiler would join their fields into misaligned stores, which the verifier
/// refuses there.
#[repr(C)]
pub(crate) struct DropRoom {
    pub(crate) packet: Packet,
    pub(crate) head: [u8; ROOM],
    pub(crate) first: DropRecord,
    pub(crate) key: DropKey,
}

/// The kernel's maps as the step's tables, and what of them is this CPU's.
pub(crate) struct Kernel {
    counters: &'static [Own64; CELLS as usize],
    tunnel: &'static [Own64; 2],
    /// Where its rows begin in `TRAFFIC`.
    rows: u32,
    /// Where its rows begin in `WIRES`.
    wires: u32,
}

// SAFETY (all blocks below): a pointer that a look-up returned stays valid memory of the map while
// the program runs, also when an LRU gives the element to another key: cells may then write into
// the next owner's entry, which readers allow for.
impl Tables for Kernel {
    type W32 = Atomic32;
    type W64 = Atomic64;
    type Sum = Own64;

    #[inline(always)]
    fn control(&self) -> Option<&Control> {
        CONTROL.get(0)
    }

    #[inline(always)]
    fn biflow(&self, key: &FlowKey) -> Option<&Entry> {
        // SAFETY: see above.
        unsafe { BIFLOWS.get(key) }
    }

    #[inline(always)]
    fn insert_biflow(&self, key: &FlowKey) -> Inserted {
        let Some(zero) = ZERO.get(0) else {
            return Inserted::Refused;
        };
        inserted(BIFLOWS.insert(key, zero, u64::from(BPF_NOEXIST)))
    }

    #[inline(always)]
    fn is_networked(&self, address: &Address) -> bool {
        NETWORKS.get(&Key::new(128, address.octets())).is_some()
    }

    #[inline(always)]
    fn is_node(&self, address: &Address) -> bool {
        // SAFETY: see above.
        unsafe { NODES.get(address) }.is_some()
    }

    #[inline(always)]
    fn translation(&self, key: &FlowKey) -> Option<u32> {
        // SAFETY: see above; the value is one aligned word.
        unsafe { TRANSLATIONS.get(key) }.copied()
    }

    #[inline(always)]
    fn pair(&self, key: &PairKey) -> Option<u32> {
        // SAFETY: see above; the value is one aligned word.
        unsafe { PAIRS.get(key) }.copied()
    }

    #[inline(always)]
    fn traffic(&self, row: Row) -> Option<&TrafficRow<Own64>> {
        TRAFFIC.get(self.rows + row.index())
    }

    #[inline(always)]
    fn rtt(&self, row: Row) -> Option<&RttRow<Atomic32>> {
        RTT.get(row.index())
    }

    #[inline(always)]
    fn fragments(&self, row: Row) -> Option<&FragmentRow<Atomic64>> {
        FRAGMENT_COUNTS.get(row.index())
    }

    #[inline(always)]
    fn first_fragment(&self, key: &FragmentKey) -> Option<FirstFragment> {
        // SAFETY: see above; a value that another CPU replaces meanwhile is of the same packet or of no
        // fragment's.
        unsafe { FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn keep_first_fragment(&self, key: &FragmentKey, first: &FirstFragment) {
        // Refused, its later fragments count as those without a first one.
        let _refused = FRAGMENTS.insert(key, first, 0);
    }

    #[inline(always)]
    fn outer_flow(&self, key: &OuterKey) -> Option<&OuterFlow<Atomic64>> {
        // SAFETY: see above; `Atomic64` is a transparent cell over the `u64` of the declaration.
        OUTER_FLOWS
            .get_ptr(key)
            .map(|flow| unsafe { &*flow.cast() })
    }

    #[inline(always)]
    fn insert_outer_flow(&self, key: &OuterKey, now: Monotonic) -> Inserted {
        let flow = OuterFlow {
            first_seen: now.0,
            ..OuterFlow::default()
        };
        inserted(OUTER_FLOWS.insert(key, &flow, u64::from(BPF_NOEXIST)))
    }

    #[inline(always)]
    fn announced(&self, key: &AnnouncedKey) -> Option<&Atomic64> {
        // SAFETY: see above; `Atomic64` is a transparent cell over the `u64` of the declaration.
        ANNOUNCED
            .get_ptr(key)
            .map(|packets| unsafe { &*packets.cast() })
    }

    #[inline(always)]
    fn insert_announced(&self, key: &AnnouncedKey) -> Inserted {
        inserted(ANNOUNCED.insert(key, &0, u64::from(BPF_NOEXIST)))
    }

    #[inline(always)]
    fn is_relay(&self, key: &RelayKey) -> bool {
        // SAFETY: see above.
        unsafe { RELAYS.get(key) }.is_some()
    }

    #[inline(always)]
    fn tunnel(&self, hook: Hook) -> Option<&Own64> {
        self.tunnel.get(hook as usize)
    }

    #[inline(always)]
    fn budget(&self, budget: Budget) -> Option<&Atomic64> {
        BUDGET_WORDS.get(budget as u32)
    }

    #[inline(always)]
    fn count(&self, counter: Counter, amount: u64) {
        let index = match counter {
            Counter::Loss(loss) => loss as u64,
            // The compiler knows that a reason is in range, the verifier does not.
            Counter::NotOurs(_) | Counter::Malformed(_) => any(u64::from(counter.index())),
        };
        if let Some(cell) = self.counters.get(index as usize) {
            observer_ebpf::cell::Tally::add(cell, amount);
        }
    }

    #[inline(always)]
    fn emit(&self, event: &Event, wake: bool) -> bool {
        let flags = if wake {
            BPF_RB_FORCE_WAKEUP
        } else {
            BPF_RB_NO_WAKEUP
        };
        EVENTS
            .output_untyped::<Event>(event, u64::from(flags))
            .is_ok()
    }

    #[inline(always)]
    fn monotonic(&self) -> Monotonic {
        // SAFETY: a helper without arguments.
        Monotonic(unsafe { bpf_ktime_get_ns() })
    }

    #[inline(always)]
    fn jiffies(&self) -> Jiffies {
        // SAFETY: a helper without arguments.
        Jiffies(unsafe { bpf_jiffies64() })
    }
}

impl Wires for Kernel {
    type Sum = Own64;
    type Word = Atomic64;

    #[inline(always)]
    fn rates(&self) -> Rates {
        // None selects as little as can be.
        let control = CONTROL.get(0);
        Rates {
            tcp: control.map_or(31, |control| control.rate),
            echo: control.map_or(31, |control| control.echo_rate),
        }
    }

    #[inline(always)]
    fn wire(&self, point: Point) -> Option<&WireRow<Own64>> {
        WIRES.get(self.wires + underlay(point)?)
    }

    #[inline(always)]
    fn arrival(&self, slot: u32) -> Option<&Atomic64> {
        ARRIVALS.get(slot)
    }

    #[inline(always)]
    fn now(&self) -> Monotonic {
        self.monotonic()
    }
}

#[inline(always)]
fn inserted(result: Result<(), i32>) -> Inserted {
    const EXISTS: i32 = -17;
    match result {
        Ok(()) => Inserted::New,
        Err(EXISTS) => Inserted::Present,
        Err(_) => Inserted::Refused,
    }
}
