//! The programs with their maps set as the agent sets them: networks, one pair of pods with a path
//! number, budgets. Beside them the yardsticks, and what we are to be compared with. Shared by the
//! benchmarks.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::ops::Range;

use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use observer::config::{Config, Overrides};
use observer::kernel::{Object, Sizes, jiffy_nanos};
use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::control::Control;
use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::key::{Address, FlowKey, PairKey};
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::row::{ROWS, Row};
use tokio::runtime::Runtime;

use super::peer::Peer;
use super::peer::spec::Spec;

static YARDSTICKS: &[u8] = aya::include_bytes_aligned!(env!("OBSERVER_YARDSTICKS"));

/// Any failure ends a benchmark: it is told, not handled.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The path number of the pair.
pub(crate) const PATH: u16 = FIRST_PATH;

/// Addresses of pods in a dual-stack cluster.
const IPV6_PODS: &str = "fd42::/16";

/// What a frame is put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A yardstick by its name.
    Yardstick(&'static str),
    /// Ours.
    Ours(Site),
    /// One to compare with, by its place in [`Stage::peers`], at a hook.
    Peer(usize, Hook),
}

/// `TCX_NEXT`: what ours and the yardsticks answer.
const NEXT: u32 = u32::MAX;

/// What the kernel hands over for one frame.
#[derive(Clone, Copy)]
pub(crate) struct Buffer<'a> {
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
    /// Payload per segment of an aggregate, 0 = none.
    pub(crate) gso_size: u32,
}

impl<'a> From<&'a [u8]> for Buffer<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, gso_size: 0 }
    }
}

impl Buffer<'_> {
    /// `struct __sk_buff` with what the kernel takes over of it (kernel: include/uapi/linux/bpf.h).
    fn context(self) -> [u8; 192] {
        let mut context = [0; 192];
        context[176..180].copy_from_slice(&self.gso_size.to_ne_bytes());
        context
    }
}

/// Programs and maps of both objects.
pub(crate) struct Stage {
    /// Ours.
    pub(crate) object: Object,
    /// What we are compared with.
    pub(crate) peers: Vec<Peer>,
    /// The objects of the benchmark itself.
    pub(crate) yardsticks: Ebpf,
    rate: u8,
    /// The event ring is registered with this runtime, and so ends before it.
    _runtime: Runtime,
}

impl Stage {
    /// Loads both objects; flows between `pods`, which lie in 10.42.0.0/16, count on [`PATH`]. The
    /// tables of many flows have so many entries, or as many as the objects' by default.
    pub(crate) fn new(pods: [Ipv4Addr; 2], flows: Option<u32>) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let entered = runtime.enter();
        let mut config = Config::read(None, Overrides::default())?;
        config.networks.push(IPV6_PODS.parse()?);
        let mut object = Object::load(Sizes {
            biflows: flows.unwrap_or(config.flows),
            ring: config.ring,
            wired: false,
        })?;
        drop(entered);
        for network in &config.networks {
            object.networks.put(&network.key(), &1)?;
        }
        object.control.set(Control {
            pairs_version: 2,
            ports_attached: 1,
            ..config.control(jiffy_nanos())
        });
        let mut loader = EbpfLoader::new();
        if let Some(flows) = flows {
            loader.map_max_entries("MIXED", flows);
        }
        let mut yardsticks = loader.load(YARDSTICKS)?;
        make_hot_entry(&mut yardsticks)?;
        let mut stage = Self {
            object,
            peers: Vec::new(),
            yardsticks,
            rate: config.rate,
            _runtime: runtime,
        };
        stage.assign(pods.map(|pod| Address::v4(pod.octets())), PATH)?;
        Ok(stage)
    }

    /// The same with programs to compare with.
    pub(crate) fn beside(self, peers: &[Spec]) -> Result<Self, Failure> {
        let peers = peers.iter().map(Peer::load).collect::<Result<_, _>>()?;
        Ok(Self { peers, ..self })
    }

    /// Lets flows between two addresses count on a path.
    pub(crate) fn assign(&mut self, ends: [Address; 2], path: u16) -> Result<(), Failure> {
        let assignment = Assignment {
            path,
            rate: self.rate,
            flags: 0,
        };
        let [first, second] = ends;
        let (low, high) = (first.min(second), first.max(second));
        let pair = PairKey { low, high };
        Ok(self.object.pairs.put(&pair, &assignment.word())?)
    }

    /// A program, loaded if it was not.
    pub(crate) fn program(&mut self, program: Program) -> Result<&mut SchedClassifier, Failure> {
        match program {
            Program::Yardstick(name) => self.yardstick(name),
            Program::Ours(site) => Ok(self.object.program(site.point, site.hook)?),
            Program::Peer(place, hook) => {
                let peer = self.peers.get_mut(place).ok_or("find a peer: not loaded")?;
                Ok(peer.program(hook)?)
            }
        }
    }

    /// Runs a program on a frame, so often; nanoseconds per packet. Ours and the yardsticks have to
    /// let it on.
    pub(crate) fn run<'a>(
        &mut self,
        program: Program,
        buffer: impl Into<Buffer<'a>>,
        repeat: u32,
    ) -> Result<f64, Failure> {
        let (nanos, verdict) = self.run_to_verdict(program, buffer.into(), repeat)?;
        if verdict != NEXT && !matches!(program, Program::Peer(..)) {
            return Err(format!("run {program:?}: it answered {verdict}, not \"next\"").into());
        }
        Ok(nanos)
    }

    /// Runs a program on a frame, so often; nanoseconds per packet and the last answer.
    pub(crate) fn run_to_verdict(
        &mut self,
        program: Program,
        buffer: Buffer<'_>,
        repeat: u32,
    ) -> Result<(f64, u32), Failure> {
        let context = buffer.context();
        let result = self.program(program)?.test_run(TestRunOptions {
            data_in: Some(buffer.bytes),
            ctx_in: Some(&context),
            repeat,
            ..TestRunOptions::new()
        })?;
        Ok((result.duration.as_secs_f64() * 1e9, result.return_value))
    }

    /// A yardstick by its name, loaded if it was not.
    fn yardstick(&mut self, name: &str) -> Result<&mut SchedClassifier, Failure> {
        let program = self.yardsticks.program_mut(name);
        let program: &mut SchedClassifier = program
            .ok_or_else(|| format!("find yardstick `{name}`: not in the object"))?
            .try_into()?;
        if program.fd().is_err() {
            program.load()?;
        }
        Ok(program)
    }

    /// Buffers counted on a path at a point, both directions.
    pub(crate) fn buffers(&mut self, path: u16, point: Point) -> Result<u64, Failure> {
        let [buffers, _] = self.counted(path..path + 1, point)?;
        Ok(buffers)
    }

    /// Buffers and packets on the wire that were counted on some paths at a point, both directions.
    pub(crate) fn counted(&mut self, paths: Range<u16>, point: Point) -> Result<[u64; 2], Failure> {
        let rows: HashSet<_> = paths
            .flat_map(|path| {
                [FlowDirection::LowToHigh, FlowDirection::HighToLow]
                    .map(|direction| Row::new(path, point, direction).index())
            })
            .collect();
        let mut sums = [0; 2];
        self.object.traffic.for_each_below(ROWS, |row, cpu| {
            if rows.contains(&row) {
                sums = [sums[0] + cpu.buffers, sums[1] + cpu.segments];
            }
        })?;
        Ok(sums)
    }

    /// Flows that have got an entry so far.
    pub(crate) fn inserted(&mut self) -> Result<u64, Failure> {
        Ok(self.object.totals()?.of(Loss::Inserted))
    }
}

/// `look_up` finds its entry under the empty key.
fn make_hot_entry(yardsticks: &mut Ebpf) -> Result<(), Failure> {
    let map = yardsticks
        .map_mut("HOT")
        .ok_or("find map `HOT`: not in the object")?;
    let mut hot: aya::maps::HashMap<_, [u8; size_of::<FlowKey>()], [u64; 2]> = map.try_into()?;
    hot.insert([0; size_of::<FlowKey>()], [0; 2], 0)?;
    Ok(())
}
