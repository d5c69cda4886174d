//! The host observer: the kernel's parser and packet step over plain cells. It stands where the
//! programs and their maps stand, for captures (`replay`) and for tests.
//!
//! Never: input or output, a clock of its own (every frame brings its time), a thread.

mod arena;
mod chunks;
mod heads;
mod recent;
mod record;
mod tables;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use observer_ebpf::abi::announced::{ANNOUNCED, AnnouncedKey};
use observer_ebpf::abi::biflow::{Assignment, Biflow, BiflowRecord};
use observer_ebpf::abi::control::{BUDGETS, Control};
use observer_ebpf::abi::counter::{COUNTERS, Counter};
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::fragment::{FRAGMENTS, FirstFragment, FragmentKey};
use observer_ebpf::abi::key::{Address, FlowKey, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlow, OuterFlowRecord, OuterKey};
use observer_ebpf::abi::point::{Hook, Site};
use observer_ebpf::abi::relay::RelayKey;
use observer_ebpf::abi::row::{FragmentRow, ROWS, RttRow, TrafficRecord, TrafficRow};
use observer_ebpf::parse::{
    Bytes, Captured, CapturedHead, Expand, Framing, HOST_DEPTH, Nest, Packet, Rejected, descend,
    finish, parse,
};
use observer_ebpf::step::{self, Frame, Unread, refuse, tell_unread};
use observer_ebpf::units::Monotonic;

use arena::Arena;
use chunks::Chunks;
use recent::Recent;

/// How much the observer holds. Where the kernel's LRU map would forget an old flow, this one
/// refuses the new one, as `outer_flows` does in the kernel too: a capture must not lose what it
/// has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Entries of `biflows`.
    pub biflows: usize,
    /// Entries of `outer_flows`.
    pub outer_flows: usize,
    /// Events until they are taken.
    pub events: usize,
}

impl Default for Sizes {
    /// The kernel's default sizes; its ring of 256 KiB holds 2,978 events of 80 bytes and 8 of its
    /// own.
    fn default() -> Self {
        Self {
            biflows: 16_384,
            outer_flows: 4_096,
            events: 2_978,
        }
    }
}

/// One frame as a hook would show it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where.
    pub site: Site,
    /// What it begins with.
    pub framing: Framing,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Its length, captured or not, bytes.
    pub length: u32,
    /// Payload per segment if it is an aggregate, else 0.
    pub gso_size: u32,
    /// Socket buffer mark.
    pub mark: u32,
    /// When.
    pub time: Monotonic,
}

/// The maps, the clock and the ring as plain values. User space's part of them is public.
#[derive(Debug)]
pub struct HostObserver {
    /// What user space tells the step.
    pub control: Control,
    /// Prefixes that pods and services live in.
    pub networks: Vec<NetworkKey>,
    /// Addresses that nodes have in the pods' networks.
    pub nodes: HashSet<Address>,
    /// Paths of translated flows, asked before `pairs`.
    pub translations: HashMap<FlowKey, Assignment>,
    /// Paths of pairs.
    pub pairs: HashMap<PairKey, Assignment>,
    /// Where DERP relays listen; their number stands in `control`.
    pub relays: HashSet<RelayKey>,
    /// Length of a jiffy, nanoseconds.
    pub jiffy_nanos: u64,
    /// VXLAN headers that are followed.
    pub depth: u32,
    biflows: Arena<FlowKey, Biflow<Cell<u32>, Cell<u64>>>,
    outer_flows: Arena<OuterKey, OuterFlow<Cell<u64>>>,
    announced: Arena<AnnouncedKey, Cell<u64>>,
    traffic: Chunks<TrafficRow<Cell<u64>>>,
    rtt: Chunks<RttRow<Cell<u32>>>,
    fragments: Chunks<FragmentRow<Cell<u64>>>,
    first_fragments: Recent<FragmentKey, FirstFragment>,
    tunnel: [Cell<u64>; 2],
    budgets: [Cell<u64>; BUDGETS],
    counters: [Cell<u64>; COUNTERS as usize],
    events: RefCell<Vec<Event>>,
    room: usize,
    wakeups: Cell<u64>,
    now: Cell<Monotonic>,
}

impl HostObserver {
    /// An observer that has seen nothing and, until `networks` says otherwise, knows no pods.
    #[must_use]
    pub fn new(sizes: Sizes, control: Control) -> Self {
        let rows = ROWS as usize;
        Self {
            control,
            networks: Vec::new(),
            nodes: HashSet::new(),
            translations: HashMap::new(),
            pairs: HashMap::new(),
            relays: HashSet::new(),
            jiffy_nanos: 4_000_000,
            depth: HOST_DEPTH,
            biflows: Arena::new(sizes.biflows),
            outer_flows: Arena::new(sizes.outer_flows),
            announced: Arena::new(ANNOUNCED as usize),
            traffic: Chunks::new(rows),
            rtt: Chunks::new(rows),
            fragments: Chunks::new(rows),
            first_fragments: Recent::new(FRAGMENTS as usize),
            tunnel: Default::default(),
            budgets: Default::default(),
            counters: [const { Cell::new(0) }; COUNTERS as usize],
            events: RefCell::new(Vec::new()),
            room: sizes.events,
            wakeups: Cell::new(0),
            now: Cell::new(Monotonic(0)),
        }
    }

    /// Parses a frame and takes the step with it, as the kernel's entry point does.
    pub fn observe_frame(&self, seen: &Seen<'_>) {
        self.now.set(seen.time);
        match self.read(seen) {
            Ok(packet) => {
                step::count_cut(self, &packet);
                let frame = Frame {
                    length: seen.length,
                    gso_size: seen.gso_size,
                    mark: seen.mark,
                };
                if let Some(row) = step::observe(self, seen.site, frame, &packet) {
                    let mut heads = heads::Slice::of(seen.bytes);
                    for index in 1..=step::MOST {
                        if !step::further(self, row, (frame, &packet), index, &mut heads) {
                            break;
                        }
                    }
                    step::rest(self, row, frame, &packet);
                }
            }
            Err(reason) => {
                let unread = Unread {
                    cell: refuse(self, reason.into()),
                    ifindex: 0,
                    length: seen.length,
                    site: seen.site,
                };
                tell_unread(self, &unread);
            }
        }
    }

    /// Reads a frame to its innermost packet, as [`Self::observe_frame`] does.
    ///
    /// # Errors
    /// Says why it is no packet.
    pub fn read(&self, seen: &Seen<'_>) -> Result<Packet, Rejected> {
        let expand = Expand::at(seen.site.point);
        let head = CapturedHead {
            bytes: seen.bytes,
            length: seen.length,
        };
        let mut packet = parse(&head, seen.framing, expand, seen.length)?;
        if packet.beyond != 0 {
            let nest = Nest {
                length: seen.length,
                packet: &mut packet,
                inner: &mut Packet::EMPTY.clone(),
                bytes: Captured(seen.bytes),
            };
            descend(nest, self.depth, |packet| step::is_carrier(self, packet));
            if let Err(reason) = finish(&head, &mut packet)
                && !head.is_cut_before(packet.missing)
            {
                return Err(reason);
            }
        }
        Ok(packet)
    }

    /// All biflows in the order of their first packets.
    pub fn biflows(&self) -> impl Iterator<Item = (FlowKey, BiflowRecord)> {
        self.biflows
            .iter()
            .map(|(key, entry)| (key, record::biflow(entry)))
    }

    /// All outer flows in the order of their first packets.
    pub fn outer_flows(&self) -> impl Iterator<Item = (OuterKey, OuterFlowRecord)> {
        self.outer_flows
            .iter()
            .map(|(key, flow)| (key, record::outer_flow(flow)))
    }

    /// Announced MTUs and the packets that announced them, in the order of the first ones.
    pub fn announced(&self) -> impl Iterator<Item = (AnnouncedKey, u64)> {
        self.announced
            .iter()
            .map(|(key, packets)| (key, packets.get()))
    }

    /// The traffic rows that were touched, by [`observer_ebpf::abi::row::Row::index`].
    pub fn traffic(&self) -> impl Iterator<Item = (u32, TrafficRecord)> {
        self.traffic
            .iter()
            .map(|(index, row)| (index, record::traffic(row)))
    }

    /// The round-trip histograms that were touched.
    pub fn rtt(&self) -> impl Iterator<Item = (u32, RttRow<u32>)> {
        self.rtt
            .iter()
            .map(|(index, row)| (index, record::rtt(row)))
    }

    /// The fragment counts that were touched.
    pub fn fragments(&self) -> impl Iterator<Item = (u32, FragmentRow<u64>)> {
        self.fragments
            .iter()
            .map(|(index, row)| (index, record::fragments(row)))
    }

    /// What first fragments said, in no order.
    pub fn first_fragments(&self) -> Vec<(FragmentKey, FirstFragment)> {
        self.first_fragments.all()
    }

    /// WireGuard bytes predicted for what crossed a hook of the tunnel.
    #[must_use]
    pub fn tunnel(&self, hook: Hook) -> u64 {
        self.tunnel.get(hook as usize).map_or(0, Cell::get)
    }

    /// One cell of the loss ledger.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters
            .get(counter.index() as usize)
            .map_or(0, Cell::get)
    }

    /// The loss ledger by [`Counter::index`].
    #[must_use]
    pub fn counters(&self) -> [u64; COUNTERS as usize] {
        self.counters.each_ref().map(Cell::get)
    }

    /// Removes and returns the events, oldest first.
    pub fn take_events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// Events that asked for the reader at once.
    #[must_use]
    pub fn wakeups(&self) -> u64 {
        self.wakeups.get()
    }
}
