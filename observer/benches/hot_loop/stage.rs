//! The programs with their maps set as the agent sets them: networks, one pair of pods with a path
//! number, budgets. Shared by the benchmarks.

use std::net::Ipv4Addr;

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use observer::config::{Config, Overrides};
use observer::kernel::{Object, Sizes, jiffy_nanos};
use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::biflow::Assignment;
use observer_ebpf::abi::control::Control;
use observer_ebpf::abi::key::{Address, FlowKey, PairKey};
use observer_ebpf::abi::point::{FlowDirection, Point};
use observer_ebpf::abi::row::{ROWS, Row};
use tokio::runtime::Runtime;

static YARDSTICKS: &[u8] = aya::include_bytes_aligned!(env!("OBSERVER_YARDSTICKS"));

/// Any failure ends a benchmark: it is told, not handled.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The path number of the pair.
pub(crate) const PATH: u16 = FIRST_PATH;

/// Programs and maps of both objects.
pub(crate) struct Stage {
    /// Ours.
    pub(crate) object: Object,
    yardsticks: Ebpf,
    /// The event ring is registered with this runtime, and so ends before it.
    _runtime: Runtime,
}

impl Stage {
    /// Loads both objects; flows between `pods`, which lie in 10.42.0.0/16, count on [`PATH`]. The
    /// flow table has so many entries, or as many as the agent's by default.
    pub(crate) fn new(pods: [Ipv4Addr; 2], flows: Option<u32>) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let entered = runtime.enter();
        let config = Config::read(None, Overrides::default())?;
        let mut object = Object::load(Sizes {
            biflows: flows.unwrap_or(config.flows),
            ring: config.ring,
        })?;
        drop(entered);
        for network in &config.networks {
            object.networks.put(&network.key(), &1)?;
        }
        let assignment = Assignment {
            path: PATH,
            rate: config.rate,
            flags: 0,
        };
        let [first, second] = pods.map(|pod| Address::v4(pod.octets()));
        let (low, high) = (first.min(second), first.max(second));
        object
            .pairs
            .put(&PairKey { low, high }, &assignment.word())?;
        object.control.set(Control {
            pairs_version: 2,
            ports_attached: 1,
            ..config.control(jiffy_nanos())
        });
        let mut yardsticks = EbpfLoader::new().load(YARDSTICKS)?;
        make_hot_entry(&mut yardsticks)?;
        Ok(Self {
            object,
            yardsticks,
            _runtime: runtime,
        })
    }

    /// A yardstick by its name, loaded if it was not.
    pub(crate) fn yardstick(&mut self, name: &str) -> Result<&mut SchedClassifier, Failure> {
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
        let rows = [FlowDirection::LowToHigh, FlowDirection::HighToLow]
            .map(|direction| Row::new(path, point, direction).index());
        let mut sum = 0;
        self.object.traffic.for_each_below(ROWS, |row, cpu| {
            if rows.contains(&row) {
                sum += cpu.buffers;
            }
        })?;
        Ok(sum)
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
