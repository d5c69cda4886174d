//! What the kernel holds of an agent: programs and links by their ids, programs at a device, and the
//! agent's own maps. It only reads.

use std::collections::BTreeSet;
use std::fs;

use aya::maps::{Array, Map, MapData, MapInfo};
use aya::programs::tc::TcAttachType;
use aya::programs::{SchedClassifier, loaded_links, loaded_programs};
use observer_ebpf::abi::counter::{COUNTERS, Counter, Loss, Own};
use observer_ebpf::abi::point::{FlowDirection, Point};
use observer_ebpf::abi::row::{ROWS, Row};
use observer_ebpf::abi::{FIRST_PATH, PATH_REFUSED, PATH_UNKNOWN, PATHS};
use xtask::lab::netns;

use super::filters::filters;

/// Words of the ledger's entry.
const OWN: usize = size_of::<Own<u64>>() / 8;

/// Ids of the kernel's objects that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) programs: BTreeSet<u32>,
    pub(crate) links: BTreeSet<u32>,
    pub(crate) maps: BTreeSet<u32>,
}

impl Holdings {
    /// What the process holds at this moment.
    pub(crate) fn of(pid: u32) -> Self {
        let mut found = Self {
            programs: BTreeSet::new(),
            links: BTreeSet::new(),
            maps: BTreeSet::new(),
        };
        for text in descriptors(pid) {
            for line in text.lines() {
                let mut words = line.split_whitespace();
                let (name, value) = (words.next(), words.next());
                let id = value.and_then(|value| value.parse().ok());
                match (name, id) {
                    // A link names its program too; the program is counted where it is held.
                    (Some("prog_id:"), Some(id)) => found.programs.insert(id),
                    (Some("link_id:"), Some(id)) => found.links.insert(id),
                    (Some("map_id:"), Some(id)) => found.maps.insert(id),
                    _ => continue,
                };
            }
        }
        found
    }

    /// Whether a process holds links of TCX.
    pub(crate) fn has_tcx_links(pid: u32) -> bool {
        let is_it = |line: &str| line.strip_prefix("link_type:").map(str::trim) == Some("tcx");
        descriptors(pid).any(|text| text.lines().any(is_it))
    }

    /// Those of them that the kernel still has.
    pub(crate) fn left(&self) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let programs = loaded_programs().filter_map(|found| found.ok()?.id().into());
        let links = loaded_links().filter_map(|found| found.ok()?.id().into());
        let (programs, links): (BTreeSet<u32>, BTreeSet<u32>) =
            (programs.collect(), links.collect());
        (&self.programs & &programs, &self.links & &links)
    }
}

/// What the kernel says of each of a process's descriptors; nothing of one that is closed by now.
fn descriptors(pid: u32) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("a living process");
    entries.map(|entry| fs::read_to_string(entry.expect("entry").path()).unwrap_or_default())
}

/// True if programs can be attached by TCX, which kernels before 6.6 lack.
pub(crate) fn has_tcx() -> bool {
    SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok()
}

/// Programs at the ingress and the egress of a device: by TCX, or by classifiers where there is no TCX.
pub(crate) fn attached(namespace: &str, device: &str) -> [usize; 2] {
    if !has_tcx() {
        return filters(namespace, device).map(|hook| hook.len());
    }
    let count = |hook| {
        let found = SchedClassifier::query_tcx(device, hook);
        found.expect("a device that exists").1.len()
    };
    netns::within(namespace, || {
        [count(TcAttachType::Ingress), count(TcAttachType::Egress)]
    })
    .expect("namespace")
}

/// The traffic rows and the ledger of one agent, read behind its back.
pub(crate) struct Maps {
    traffic: Array<MapData, [u64; 4]>,
    counters: Array<MapData, [u64; OWN]>,
}

/// What a group of rows counted at one point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) buffers: u64,
    pub(crate) bytes: u64,
    pub(crate) segments: u64,
}

/// Everything that an agent's programs counted up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Per point: pods, paths of their own, not named yet or refused.
    pub(crate) pods: [Sum; 8],
    /// Per point: collected traffic of the node itself and of strangers.
    pub(crate) others: [Sum; 8],
    /// Buffers on the reserved paths 0 and 1, per point.
    pub(crate) unnamed: [[u64; 8]; 2],
    /// Frames that a program saw.
    pub(crate) frames: u64,
    /// Frames that are not for us or lie.
    pub(crate) refused: u64,
}

impl Counted {
    /// Buffers on reserved path 0 or 1 at a point.
    pub(crate) fn on_path(&self, path: u16, point: Point) -> u64 {
        self.unnamed[usize::from(path)][point as usize]
    }
}

impl Maps {
    /// Opens those that the process holds.
    pub(crate) fn of(pid: u32) -> Self {
        let maps = Holdings::of(pid).maps;
        let open = |name: &str| {
            let is_it = |id: &&u32| {
                let info = MapInfo::from_id(**id);
                info.is_ok_and(|info| info.name_as_str() == Some(name))
            };
            let id = maps.iter().find(is_it).expect("a map of this name");
            Map::Array(MapData::from_id(*id).expect("map"))
        };
        let [traffic, counters] = ["TRAFFIC", "COUNTERS"].map(open);
        Self {
            traffic: traffic.try_into().expect("rows of four words"),
            counters: counters.try_into().expect("the cells and what lies behind"),
        }
    }

    /// Reads all rows and cells.
    pub(crate) fn read(&self) -> Counted {
        let [mut pods, mut others] = [[Sum::default(); 8]; 2];
        let mut unnamed = [[0; 8]; 2];
        for path in 0..PATHS {
            let is_pod = path == PATH_UNKNOWN || path == PATH_REFUSED || path >= FIRST_PATH;
            let sums = if is_pod { &mut pods } else { &mut others };
            for (point, sum) in Point::ALL.into_iter().zip(sums) {
                for direction in FlowDirection::ALL {
                    let row = Row::new(path, point, direction).index();
                    for cpu in 0..self.counters.len() {
                        let index = cpu * ROWS + row;
                        let [buffers, bytes, segments, _] =
                            self.traffic.get(&index, 0).expect("row");
                        if let Some(unnamed) = unnamed.get_mut(usize::from(path)) {
                            unnamed[point as usize] += buffers;
                        }
                        sum.buffers += buffers;
                        sum.bytes += bytes;
                        sum.segments += segments;
                    }
                }
            }
        }
        let cpus = (0..self.counters.len()).map(|cpu| self.counters.get(&cpu, 0).expect("cells"));
        let cpus: Vec<_> = cpus.collect();
        let cell = |cell: u32| -> u64 { cpus.iter().map(|cells| cells[cell as usize]).sum() };
        let losses = u32::try_from(Loss::ALL.len()).expect("few");
        Counted {
            pods,
            others,
            unnamed,
            frames: cell(Counter::Loss(Loss::Frames).index()),
            refused: (losses..COUNTERS).map(cell).sum(),
        }
    }
}
