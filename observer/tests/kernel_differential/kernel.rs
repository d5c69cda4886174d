//! The embedded programs, loaded once, run one frame at a time through `BPF_PROG_TEST_RUN`.
//!
//! What the kernel (6.18, `net/bpf/test_run.c`, `bpf_prog_test_run_skb`) does with a TC program's
//! frame: it wants at least 14 bytes and at most a page less its own room; it takes the first 14
//! for an Ethernet header to find the protocol, then pushes them back, so that `data` begins with
//! the first byte given, also for the programs of devices without link layer; the whole frame is
//! linear. Behind the types for IPv4 and IPv6 it wants a whole header. Of the context it takes mark, `gso_size` and `gso_segs` as they are, without checks
//! against the length.

use std::collections::HashMap;
use std::os::fd::AsFd;

use aya::maps::{Map, MapData, RingBuf};
use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use observer::kernel::program_name;
use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::biflow::{Assignment, BiflowRecord};
use observer_ebpf::abi::control::{BUDGETS, Control};
use observer_ebpf::abi::counter::{COUNTERS, Own};
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::fragment::{FirstFragment, FragmentKey};
use observer_ebpf::abi::key::{Address, FlowKey, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey};
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::abi::relay::RelayKey;
use observer_ebpf::abi::row::{FragmentRow, ROWS as ROW_COUNT, RttRow, TrafficRecord};
use zerocopy::{FromBytes, IntoBytes};

use crate::calls::RawMap;
use crate::state::State;

static PROGRAMS: &[u8] = aya::include_bytes_aligned!(env!("OBSERVER_PROGRAMS"));

/// Rows of the paths that tests use: 0 to 7.
const ROWS: u32 = 8 * 16;
/// More entries than any test makes.
const ENTRIES: usize = 4_096;

/// The shortest frame that `BPF_PROG_TEST_RUN` takes.
const SHORTEST: usize = 14;
/// The longest one on every kernel with pages of 4 KiB: a page less 64 bytes of headroom and 320 of
/// `skb_shared_info`, rounded down.
const LONGEST: usize = 3_520;

/// True if `BPF_PROG_TEST_RUN` takes a frame of these bytes.
pub(crate) fn is_runnable(bytes: &[u8]) -> bool {
    let least = match bytes.get(12..14) {
        Some([0x08, 0x00]) => SHORTEST + 20,
        Some([0x86, 0xdd]) => SHORTEST + 40,
        _ => SHORTEST,
    };
    (least..=LONGEST).contains(&bytes.len())
}

/// The loaded object.
pub(crate) struct Kernel {
    object: Ebpf,
    maps: HashMap<&'static str, MapData>,
    ring: RingBuf<MapData>,
    cpus: u32,
}

/// How one run ended.
pub(crate) struct Ran {
    pub(crate) verdict: i32,
    pub(crate) bytes: Vec<u8>,
}

impl Kernel {
    pub(crate) fn load() -> Self {
        let cpus = aya::util::nr_cpus().expect("the number of CPUs");
        let cpus = u32::try_from(cpus).expect("few CPUs");
        let mut object = EbpfLoader::new()
            .map_max_entries("TRAFFIC", cpus * ROW_COUNT)
            .map_max_entries("COUNTERS", cpus)
            .load(PROGRAMS)
            .expect("create the maps");
        for point in Point::ALL {
            for hook in Hook::ALL {
                program(&mut object, Site { point, hook })
                    .load()
                    .expect("load a program");
            }
        }
        let names = [
            "BIFLOWS",
            "NETWORKS",
            "NODES",
            "PAIRS",
            "TRANSLATIONS",
            "TRAFFIC",
            "RTT",
            "FRAGMENT_COUNTS",
            "OUTER_FLOWS",
            "FRAGMENTS",
            "ANNOUNCED",
            "RELAYS",
            "BUDGET_WORDS",
            "COUNTERS",
            "CONTROL",
        ];
        let maps = names.map(|name| (name, data(&mut object, name)));
        let ring = RingBuf::try_from(object.take_map("EVENTS").expect("the ring")).expect("a ring");
        Self {
            object,
            maps: maps.into(),
            ring,
            cpus,
        }
    }

    fn map<K, V>(&self, name: &str) -> RawMap<'_> {
        RawMap {
            fd: self.maps[name].fd().as_fd(),
            key: size_of::<K>(),
            value: size_of::<V>(),
        }
    }

    /// Forgets everything seen.
    pub(crate) fn reset(&mut self) {
        while self.ring.next().is_some() {}
        self.map::<FlowKey, BiflowRecord>("BIFLOWS")
            .clear_hash(ENTRIES);
        self.map::<OuterKey, OuterFlowRecord>("OUTER_FLOWS")
            .clear_hash(ENTRIES);
        self.map::<AnnouncedKey, u64>("ANNOUNCED")
            .clear_hash(ENTRIES);
        self.map::<FragmentKey, FirstFragment>("FRAGMENTS")
            .clear_hash(ENTRIES);
        for cpu in 0..self.cpus {
            self.map::<u32, TrafficRecord>("TRAFFIC")
                .clear_array_from(cpu * ROW_COUNT, ROWS);
        }
        self.map::<u32, RttRow<u32>>("RTT").clear_array(ROWS);
        self.map::<u32, FragmentRow<u64>>("FRAGMENT_COUNTS")
            .clear_array(ROWS);
        let budgets = u32::try_from(BUDGETS).expect("few budgets");
        self.map::<u32, u64>("BUDGET_WORDS").clear_array(budgets);
        self.map::<u32, Own<u64>>("COUNTERS").clear_array(self.cpus);
    }

    /// What user space tells the programs.
    pub(crate) fn set_control(&self, control: &Control) {
        let map = self.map::<u32, Control>("CONTROL");
        map.put(&0_u32.to_ne_bytes(), control.as_bytes());
    }

    pub(crate) fn set_networks(&self, networks: &[NetworkKey]) {
        let map = self.map::<NetworkKey, u32>("NETWORKS");
        for network in networks {
            map.put(network.as_bytes(), &1_u32.to_ne_bytes());
        }
    }

    pub(crate) fn set_nodes<'a>(&self, nodes: impl Iterator<Item = &'a Address>) {
        let map = self.map::<Address, u32>("NODES");
        map.clear_hash(ENTRIES);
        for node in nodes {
            map.put(node.as_bytes(), &1_u32.to_ne_bytes());
        }
    }

    pub(crate) fn set_pairs<'a>(&self, pairs: impl Iterator<Item = (&'a PairKey, &'a Assignment)>) {
        let map = self.map::<PairKey, u32>("PAIRS");
        map.clear_hash(ENTRIES);
        for (pair, assignment) in pairs {
            map.put(pair.as_bytes(), &assignment.word().to_ne_bytes());
        }
    }

    pub(crate) fn set_translations<'a>(
        &self,
        flows: impl Iterator<Item = (&'a FlowKey, &'a Assignment)>,
    ) {
        let map = self.map::<FlowKey, u32>("TRANSLATIONS");
        map.clear_hash(ENTRIES);
        for (key, assignment) in flows {
            map.put(key.as_bytes(), &assignment.word().to_ne_bytes());
        }
    }

    pub(crate) fn set_relays<'a>(&self, relays: impl Iterator<Item = &'a RelayKey>) {
        let map = self.map::<RelayKey, u32>("RELAYS");
        map.clear_hash(ENTRIES);
        for relay in relays {
            map.put(relay.as_bytes(), &1_u32.to_ne_bytes());
        }
    }

    /// The program of a site.
    pub(crate) fn program(&mut self, site: Site) -> &mut SchedClassifier {
        program(&mut self.object, site)
    }

    /// Runs the program of a site on a frame.
    pub(crate) fn run(&mut self, site: Site, bytes: &[u8], gso_size: u32, mark: u32) -> Ran {
        let mut out = vec![0; bytes.len() + 64];
        let context = context(gso_size, mark);
        let options = TestRunOptions {
            data_in: Some(bytes),
            data_out: Some(&mut out),
            ctx_in: Some(&context),
            ..TestRunOptions::default()
        };
        let result = program(&mut self.object, site).test_run(options);
        let result = result
            .unwrap_or_else(|error| panic!("run {site:?} on {} bytes: {error:?}", bytes.len()));
        out.truncate(result.data_size_out as usize);
        Ran {
            verdict: result.return_value.cast_signed(),
            bytes: out,
        }
    }

    /// All that the maps hold; takes the events out of the ring.
    pub(crate) fn state(&mut self) -> State {
        let mut state = State::default();
        let own = self.map::<u32, Own<u64>>("COUNTERS");
        let cells: Vec<_> = own.read(self.cpus as usize);
        for index in 0..COUNTERS as usize {
            let at = index * 8;
            let of = |(_, cells): &(_, Vec<u8>)| read::<u64>(&cells[at..at + 8]);
            state.add_counter(index, cells.iter().map(of).sum());
        }
        for (hook, sum) in state.tunnel.iter_mut().enumerate() {
            let at = (COUNTERS as usize + hook) * 8;
            *sum = cells
                .iter()
                .map(|(_, cells)| read::<u64>(&cells[at..at + 8]))
                .sum();
        }
        for (key, value) in self.map::<FlowKey, BiflowRecord>("BIFLOWS").read(ENTRIES) {
            state.add_biflow(&read::<FlowKey>(&key), &read::<BiflowRecord>(&value));
        }
        for (key, value) in self
            .map::<OuterKey, OuterFlowRecord>("OUTER_FLOWS")
            .read(ENTRIES)
        {
            state.add_outer_flow(&read::<OuterKey>(&key), &read::<OuterFlowRecord>(&value));
        }
        for (key, packets) in self.map::<AnnouncedKey, u64>("ANNOUNCED").read(ENTRIES) {
            state.add_announced(&read::<AnnouncedKey>(&key), read::<u64>(&packets));
        }
        for cpu in 0..self.cpus {
            let first = cpu * ROW_COUNT;
            let rows = self.map::<u32, TrafficRecord>("TRAFFIC");
            for (index, row) in rows.read_from(first, ROWS as usize) {
                state.add_traffic(read::<u32>(&index) - first, &read::<TrafficRecord>(&row));
            }
        }
        for (key, value) in self.map::<u32, RttRow<u32>>("RTT").read(ROWS as usize) {
            state.add_rtt(read(&key), &read::<RttRow<u32>>(&value));
        }
        for (key, value) in self
            .map::<u32, FragmentRow<u64>>("FRAGMENT_COUNTS")
            .read(ROWS as usize)
        {
            state.add_fragments(read(&key), &read::<FragmentRow<u64>>(&value));
        }
        for (key, value) in self
            .map::<FragmentKey, FirstFragment>("FRAGMENTS")
            .read(ENTRIES)
        {
            state.add_first_fragment(&read(&key), read(&value));
        }
        while let Some(record) = self.ring.next() {
            state.add_event(&read::<Event>(&record));
        }
        state
    }
}

fn read<T: FromBytes>(bytes: &[u8]) -> T {
    T::read_from_bytes(bytes).expect("a record of its size")
}

fn program(object: &mut Ebpf, site: Site) -> &mut SchedClassifier {
    let program = object
        .program_mut(program_name(site.point, site.hook))
        .expect("a program");
    program.try_into().expect("a TC program")
}

fn data(object: &mut Ebpf, name: &str) -> MapData {
    match object.take_map(name) {
        Some(
            Map::Array(map)
            | Map::PerCpuArray(map)
            | Map::HashMap(map)
            | Map::LruHashMap(map)
            | Map::LpmTrie(map),
        ) => map,
        other => panic!("map {name}: {other:?}"),
    }
}

/// What every frame says of its number of segments: nobody may believe it, since a TUN device's ingress
/// says 0 of aggregates.
const WRONG_SEGMENTS: u32 = 7;

/// `struct __sk_buff` with the fields that the kernel takes over (kernel: include/uapi/linux/bpf.h).
fn context(gso_size: u32, mark: u32) -> [u8; 192] {
    let mut context = [0; 192];
    context[8..12].copy_from_slice(&mark.to_ne_bytes());
    context[164..168].copy_from_slice(&WRONG_SEGMENTS.to_ne_bytes());
    context[176..180].copy_from_slice(&gso_size.to_ne_bytes());
    context
}
