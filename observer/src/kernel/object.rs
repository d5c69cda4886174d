//! The embedded object: loads the maps at once, each program when it is first needed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::{fs, io, thread};

use aya::maps::{Map, MapData, MapError};
use aya::programs::{Program, ProgramError, RawTracePoint, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader};
use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::biflow::BiflowRecord;
use observer_ebpf::abi::counter::{CounterRecord, Own};
use observer_ebpf::abi::drop::{DropKey, DropRecord, DropRules};
use observer_ebpf::abi::key::{Address, FlowKey, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey};
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::abi::relay::RelayKey;
use observer_ebpf::abi::row::{FragmentRow, ROWS, RttRow, TrafficRecord};
use observer_ebpf::abi::wire::{UNDERLAYS, WireRecord};

use super::{ControlPage, CpuRows, EventError, Events, Table, TableError, chain};

/// Programs that are verified at the same time. Each takes up to 150 ms of a processor: more would
/// hold a small node's traffic up.
const VERIFIERS: usize = 2;

/// What the settings fix before the programs are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Entries of `biflows`.
    pub biflows: u32,
    /// Bytes of the event ring, a power of two of at least a page.
    pub ring: u32,
    /// XDP programs will count on the wire: the underlays' TC programs take part.
    pub wired: bool,
}

/// The programs could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel refused the maps.
    #[error(
        "create the maps: {}; needs root or CAP_BPF and CAP_NET_ADMIN",
        chain(.0)
    )]
    Maps(#[source] Box<EbpfError>),
    /// The kernel has no memory for a map.
    #[error(
        "create map `{map}`: {source}; {fix} give the observer more memory (its memory cgroup, or \
         the machine)"
    )]
    Memory {
        /// Which.
        map: String,
        /// What else helps.
        fix: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The object lacks something: it does not fit this agent.
    #[error("find {kind} `{name}` in the embedded object: it is not there")]
    Missing {
        /// Map or program.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The kernel refused a program.
    #[error(
        "load program `{program}`: {}; needs root or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN",
        chain(source)
    )]
    Program {
        /// Its name.
        program: &'static str,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// The control page could not be mapped.
    #[error("map the control page: {0}")]
    Control(#[source] std::io::Error),
    /// The ring could not be opened.
    #[error(transparent)]
    Events(#[from] EventError),
    /// The number of CPUs is not known.
    #[error("read the number of possible CPUs from {path}: {source}; mount sysfs at /sys")]
    Cpus {
        /// File.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<EbpfError> for LoadError {
    fn from(error: EbpfError) -> Self {
        let EbpfError::MapError(MapError::CreateError { name, io_error }) = error else {
            return Self::Maps(Box::new(error));
        };
        if io_error.kind() != std::io::ErrorKind::OutOfMemory {
            let error = MapError::CreateError { name, io_error };
            return Self::Maps(Box::new(error.into()));
        }
        let fix = match name.as_str() {
            "BIFLOWS" => "lower the setting `flow_entries`, or",
            "EVENTS" => "lower the setting `ring_bytes`, or",
            _ => "its size is fixed:",
        };
        Self::Memory {
            map: name,
            fix,
            source: io_error,
        }
    }
}

/// The loaded object with its maps by their kernel names.
#[derive(Debug)]
pub struct Object {
    pub(super) ebpf: Ebpf,
    /// Inner flows.
    pub biflows: Table<FlowKey, BiflowRecord>,
    /// Networks of pods and services.
    pub networks: Table<NetworkKey, u32>,
    /// Addresses that nodes have in those networks.
    pub nodes: Table<Address, u32>,
    /// Path numbers of translated flows.
    pub translations: Table<FlowKey, u32>,
    /// Path numbers of pairs.
    pub pairs: Table<PairKey, u32>,
    /// Traffic rows.
    pub traffic: CpuRows<TrafficRecord>,
    /// Round-trip histograms.
    pub rtt: Table<u32, RttRow<u32>>,
    /// Fragment counts.
    pub fragments: Table<u32, FragmentRow<u64>>,
    /// Outer flows.
    pub outer_flows: Table<OuterKey, OuterFlowRecord>,
    /// Where DERP relays listen.
    pub relays: Table<RelayKey, u32>,
    /// MTUs that ICMP errors announced to pods: packets.
    pub announced: Table<AnnouncedKey, u64>,
    /// Packets dropped for their size.
    pub drops: Table<DropKey, DropRecord>,
    /// Which dropped packets those are.
    pub(super) drop_rules: Table<u32, DropRules>,
    /// The loss ledger, and WireGuard bytes predicted for what crosses the tunnel.
    counters: CpuRows<CounterRecord>,
    /// Frames on the wire.
    wires: CpuRows<WireRecord>,
    /// The event ring.
    pub events: Events,
    /// What the programs are told.
    pub control: ControlPage,
}

/// The CPUs that may ever be there, such as `0-3` (kernel: Documentation/admin-guide/cputopology).
const POSSIBLE_CPUS: &str = "/sys/devices/system/cpu/possible";

static PROGRAMS: &[u8] = aya::include_bytes_aligned!(env!("OBSERVER_PROGRAMS"));

impl Object {
    /// Creates the maps. No program runs yet. Needs a tokio runtime for the ring.
    pub fn load(sizes: Sizes) -> Result<Self, LoadError> {
        let cpus = cpus()?;
        let mut ebpf = EbpfLoader::new()
            // The kernel's types, which it has parsed and no program needs: some 20 MiB less, and before
            // anything that stays is laid on top of them.
            .btf(None)
            .map_max_entries("BIFLOWS", sizes.biflows)
            .map_max_entries("EVENTS", sizes.ring)
            .map_max_entries("TRAFFIC", cpus * ROWS)
            .map_max_entries("COUNTERS", cpus)
            .map_max_entries("WIRES", cpus * UNDERLAYS)
            .override_global("WIRED", &u32::from(sizes.wired), true)
            .load(PROGRAMS)
            .map_err(LoadError::from)?;
        let mut take = |name| take(&mut ebpf, name);
        Ok(Self {
            biflows: Table::new(take("BIFLOWS")?, "BIFLOWS"),
            networks: Table::new(take("NETWORKS")?, "NETWORKS"),
            nodes: Table::new(take("NODES")?, "NODES"),
            translations: Table::new(take("TRANSLATIONS")?, "TRANSLATIONS"),
            pairs: Table::new(take("PAIRS")?, "PAIRS"),
            traffic: CpuRows::new(
                take("TRAFFIC")?,
                "TRAFFIC",
                (cpus, ROWS),
                size_of::<TrafficRecord>(),
            ),
            rtt: Table::new(take("RTT")?, "RTT"),
            fragments: Table::new(take("FRAGMENT_COUNTS")?, "FRAGMENT_COUNTS"),
            outer_flows: Table::new(take("OUTER_FLOWS")?, "OUTER_FLOWS"),
            counters: CpuRows::new(
                take("COUNTERS")?,
                "COUNTERS",
                (cpus, 1),
                size_of::<Own<u64>>(),
            ),
            wires: CpuRows::new(
                take("WIRES")?,
                "WIRES",
                (cpus, UNDERLAYS),
                size_of::<WireRecord>(),
            ),
            relays: Table::new(take("RELAYS")?, "RELAYS"),
            announced: Table::new(take("ANNOUNCED")?, "ANNOUNCED"),
            drops: Table::new(take("DROPS")?, "DROPS"),
            drop_rules: Table::new(take("DROP_RULES")?, "DROP_RULES"),
            events: Events::new(take("EVENTS")?)?,
            control: ControlPage::map(take("CONTROL")?).map_err(LoadError::Control)?,
            ebpf,
        })
    }

    /// The loss ledger and the tunnel's sums, all CPUs together.
    pub fn totals(&mut self) -> Result<CounterRecord, TableError> {
        let mut totals = CounterRecord::EMPTY;
        self.counters.for_each_below(1, |_, cpu| totals.add(cpu))?;
        Ok(totals)
    }

    /// Frames on the wire by underlay, all CPUs together.
    pub fn wires(&mut self) -> Result<[WireRecord; UNDERLAYS as usize], TableError> {
        let mut rows = [WireRecord::default(); UNDERLAYS as usize];
        self.wires.for_each_below(UNDERLAYS, |row, cpu| {
            if let Some(sum) = rows.get_mut(row as usize) {
                *sum = sum.with(cpu, u64::wrapping_add);
            }
        })?;
        Ok(rows)
    }

    /// The XDP program of this name, loaded if it was not.
    pub fn xdp_program(&mut self, name: &'static str) -> Result<&mut Xdp, LoadError> {
        let program = self.ebpf.program_mut(name);
        let program: &mut Xdp = program
            .and_then(|program| program.try_into().ok())
            .ok_or_else(|| missing("program", name))?;
        if program.fd().is_err() {
            program.load().map_err(|source| LoadError::Program {
                program: name,
                source: Box::new(source),
            })?;
        }
        Ok(program)
    }

    /// The program of a point and hook, loaded if it was not.
    pub fn program(&mut self, point: Point, hook: Hook) -> Result<&mut SchedClassifier, LoadError> {
        let name = program_name(point, hook);
        let program = self
            .ebpf
            .program_mut(name)
            .ok_or_else(|| missing("program", name))?;
        loaded(name, program)
    }

    /// A program of a tracepoint, loaded or not.
    pub(super) fn raw_tracepoint(
        &mut self,
        name: &'static str,
    ) -> Result<&mut RawTracePoint, LoadError> {
        let program = self.ebpf.program_mut(name);
        let program = program.ok_or_else(|| missing("program", name))?;
        program
            .try_into()
            .map_err(|_: ProgramError| missing("program", name))
    }

    /// Loads those of `sites` that are not, [`VERIFIERS`] at a time, and answers with those that the
    /// kernel refused. `turn` is called before each; it says false to end early.
    pub fn load_programs(
        &mut self,
        sites: &[Site],
        turn: &(impl Fn() -> bool + Sync),
    ) -> Vec<(Site, LoadError)> {
        let names: BTreeMap<_, _> = sites
            .iter()
            .map(|site| (program_name(site.point, site.hook), *site))
            .collect();
        let wanted: Vec<_> = self
            .ebpf
            .programs_mut()
            .filter_map(|(name, program)| Some((*names.get_key_value(name)?.0, program)))
            .collect();
        let queue = Mutex::new(wanted);
        let work = || {
            let mut refused = Vec::new();
            while turn() {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((name, program)) = next else { break };
                if let (Err(error), Some(site)) = (loaded(name, program), names.get(name)) {
                    refused.push((*site, error));
                }
            }
            refused
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..VERIFIERS.min(names.len()))
                .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut refused = work();
            for other in others {
                refused.extend(other.join().unwrap_or_default());
            }
            refused
        })
    }
}

/// The program, loaded if it was not.
fn loaded<'a>(
    name: &'static str,
    program: &'a mut Program,
) -> Result<&'a mut SchedClassifier, LoadError> {
    let program: &mut SchedClassifier = program
        .try_into()
        .map_err(|_: ProgramError| missing("program", name))?;
    if program.fd().is_err() {
        program.load().map_err(|source| LoadError::Program {
            program: name,
            source: Box::new(source),
        })?;
    }
    Ok(program)
}

fn missing(kind: &'static str, name: &str) -> LoadError {
    LoadError::Missing {
        kind,
        name: name.to_owned(),
    }
}

/// Name of the program of a point and hook, as `bpftool prog` shows it.
#[must_use]
pub const fn program_name(point: Point, hook: Hook) -> &'static str {
    match (point, hook) {
        (Point::Port, Hook::Ingress) => "port_in",
        (Point::Port, Hook::Egress) => "port_out",
        (Point::Bridge, Hook::Ingress) => "bridge_in",
        (Point::Bridge, Hook::Egress) => "bridge_out",
        (Point::Overlay, Hook::Ingress) => "overlay_in",
        (Point::Overlay, Hook::Egress) => "overlay_out",
        (Point::Tunnel, Hook::Ingress) => "tunnel_in",
        (Point::Tunnel, Hook::Egress) => "tunnel_out",
        (Point::FlannelWg, Hook::Ingress) => "flannelwg_in",
        (Point::FlannelWg, Hook::Egress) => "flannelwg_out",
        (Point::Underlay0, Hook::Ingress) => "underlay0_in",
        (Point::Underlay0, Hook::Egress) => "underlay0_out",
        (Point::Underlay1, Hook::Ingress) => "underlay1_in",
        (Point::Underlay1, Hook::Egress) => "underlay1_out",
        (Point::Underlay2, Hook::Ingress) => "underlay2_in",
        (Point::Underlay2, Hook::Egress) => "underlay2_out",
    }
}

/// One more than the highest number a CPU of this machine can have.
fn cpus() -> Result<u32, LoadError> {
    let failed = |source| LoadError::Cpus {
        path: POSSIBLE_CPUS.to_owned(),
        source,
    };
    let text = fs::read_to_string(POSSIBLE_CPUS).map_err(failed)?;
    let last = text.trim().rsplit(['-', ',']).next().unwrap_or_default();
    match last.parse::<u32>() {
        Ok(highest) => Ok(highest + 1),
        Err(_) => Err(failed(io::Error::other(format!(
            "`{}` is no list of CPUs",
            text.trim()
        )))),
    }
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<MapData, LoadError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "aya's list of map kinds, not ours"
    )]
    match ebpf.take_map(name).ok_or_else(|| missing("map", name))? {
        Map::Array(map)
        | Map::PerCpuArray(map)
        | Map::HashMap(map)
        | Map::LruHashMap(map)
        | Map::LpmTrie(map)
        | Map::RingBuf(map) => Ok(map),
        _ => Err(missing("map", name)),
    }
}
