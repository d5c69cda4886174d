//! The embedded object: loads the maps at once, each program when it is first needed.

use std::{fs, io};

use aya::maps::{Map, MapData};
use aya::programs::{ProgramError, SchedClassifier};
use aya::{Ebpf, EbpfError, EbpfLoader};
use observer_ebpf::abi::biflow::BiflowRecord;
use observer_ebpf::abi::counter::{CounterRecord, Own};
use observer_ebpf::abi::key::{FlowKey, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlowRecord, OuterKey};
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::abi::row::{FragmentRow, ROWS, RttRow, TrafficRecord};

use super::{ControlPage, CpuRows, EventError, Events, Table, chain};

/// Sizes of the maps, from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Entries of `biflows`.
    pub biflows: u32,
    /// Bytes of the event ring, a power of two of at least a page.
    pub ring: u32,
}

/// The programs could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel refused the maps.
    #[error(
        "create the maps: {}; needs root or CAP_BPF and CAP_NET_ADMIN, and memory for them",
        chain(.0)
    )]
    Maps(#[source] Box<EbpfError>),
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
    #[error("read the number of possible CPUs from {path}: {source}")]
    Cpus {
        /// File.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The loaded object with its maps by their kernel names.
#[derive(Debug)]
pub struct Object {
    ebpf: Ebpf,
    /// Inner flows.
    pub biflows: Table<FlowKey, BiflowRecord>,
    /// Networks of pods and services.
    pub networks: Table<NetworkKey, u32>,
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
    /// The loss ledger.
    pub counters: CpuRows<CounterRecord>,
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
            .map_max_entries("BIFLOWS", sizes.biflows)
            .map_max_entries("EVENTS", sizes.ring)
            .map_max_entries("TRAFFIC", cpus * ROWS)
            .map_max_entries("COUNTERS", cpus)
            .load(PROGRAMS)
            .map_err(|error| LoadError::Maps(Box::new(error)))?;
        let mut take = |name| take(&mut ebpf, name);
        Ok(Self {
            biflows: Table::new(take("BIFLOWS")?, "BIFLOWS"),
            networks: Table::new(take("NETWORKS")?, "NETWORKS"),
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
            events: Events::new(take("EVENTS")?)?,
            control: ControlPage::map(take("CONTROL")?).map_err(LoadError::Control)?,
            ebpf,
        })
    }

    /// The program of a point and hook, loaded if it was not.
    pub fn program(&mut self, point: Point, hook: Hook) -> Result<&mut SchedClassifier, LoadError> {
        let name = program_name(point, hook);
        let missing = || LoadError::Missing {
            kind: "program",
            name: name.to_owned(),
        };
        let program: &mut SchedClassifier = self
            .ebpf
            .program_mut(name)
            .ok_or_else(missing)?
            .try_into()
            .map_err(|_: ProgramError| missing())?;
        if program.fd().is_err() {
            program.load().map_err(|source| LoadError::Program {
                program: name,
                source: Box::new(source),
            })?;
        }
        Ok(program)
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
    let missing = || LoadError::Missing {
        kind: "map",
        name: name.to_owned(),
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "aya's list of map kinds, not ours"
    )]
    match ebpf.take_map(name).ok_or_else(missing)? {
        Map::Array(map)
        | Map::PerCpuArray(map)
        | Map::HashMap(map)
        | Map::LruHashMap(map)
        | Map::LpmTrie(map)
        | Map::RingBuf(map) => Ok(map),
        _ => Err(missing()),
    }
}
