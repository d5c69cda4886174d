//! The small network lab: three nodes, their pods, flannel.1, tailscale0 and the wires between,
//! all in namespaces of their own. It never touches an address, route or rule of the namespace it
//! is called from, and leaves nothing behind.
//!
//! [`Lab::up`] builds a [`Topology`] from [`Options`] and returns a guard; dropping it, also on an
//! error half way, removes everything. See `docs/lab.md` for the drawings.

mod bridge_netfilter;
pub(crate) mod children;
mod config_file;
pub(crate) mod deal;
pub mod delay;
mod devices;
mod error;
pub(crate) mod execute;
mod guests;
mod held;
pub(crate) mod kernel;
pub(crate) mod knob;
pub mod netns;
pub(crate) mod options;
pub(crate) mod process;
mod ready;
pub(crate) mod record;
pub mod relay;
pub(crate) mod removal;
mod scenario;
mod sockets;
mod status;
mod steering;
pub(crate) mod steps;
pub mod tcp_delay;
pub mod topology;
pub mod wireguard;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::bridge_netfilter::BridgeNetfilter;
pub use self::children::ChildGuard;
pub use self::devices::Flaps;
pub use self::error::LabError;
pub use self::guests::PodGuard;
pub use self::options::{Options, WireId};
pub use self::process::Identity;
pub use self::record::{ROOT, Record};
pub use self::scenario::Scenario;
pub use self::status::Status;
pub use self::steering::DirectUdp;
pub use self::topology::{ExpectedPath, Node, Outcome, Pod, Topology};

use self::children::Children;
use self::record::Ledger;

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    topology: Topology,
    ledger: Arc<Ledger>,
    children: Mutex<Children>,
    tear_down: TearDown,
}

/// What dropping a [`Lab`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TearDown {
    /// Removes the lab.
    OnDrop,
    /// Leaves it: it was opened, or is meant to stay.
    Never,
}

impl Lab {
    /// Builds the lab and waits until all its pods talk, some seconds at most.
    ///
    /// What a dead owner left under the same name is removed first; a living owner's lab is
    /// refused. On an error everything made so far is removed.
    pub fn up(options: Options) -> Result<Self, LabError> {
        options.check()?;
        let program = options.program()?;
        let topology = scenario::topology(&options);
        let ledger = removal::claim(options, &topology)?;
        // From here on the guard cleans up, also when a step fails.
        let lab = Self {
            topology,
            ledger: Arc::new(ledger),
            children: Mutex::default(),
            tear_down: TearDown::OnDrop,
        };
        let steps = steps::steps(&lab.topology, lab.ledger.directory());
        lab.execute(&steps, &program)?;
        ready::await_talking(&lab.topology)?;
        Ok(lab)
    }

    /// Opens a lab that another process brought up; dropping this does not remove it.
    pub fn open(name: &str) -> Result<Self, LabError> {
        let ledger = Ledger::<Record>::open(name)?;
        Ok(Self {
            topology: scenario::topology(&ledger.record().options),
            ledger: Arc::new(ledger),
            children: Mutex::default(),
            tear_down: TearDown::Never,
        })
    }

    /// Lets the lab stay after this process; [`Lab::down`] removes it.
    pub fn keep(mut self) -> Result<(), LabError> {
        self.ledger.update(|record| record.owner = None)?;
        self.tear_down = TearDown::Never;
        Ok(())
    }

    /// Removes the lab of this name whoever brought it up, and whatever of it is left.
    pub fn down(name: &str) -> Result<(), LabError> {
        removal::remove(&record::read::<Record>(name)?)
    }

    /// Removes every lab whose owner was killed; returns their names.
    pub fn sweep() -> Result<Vec<String>, LabError> {
        removal::sweep()
    }

    /// Names of all labs with state on this machine, dead ones included.
    #[must_use]
    pub fn names() -> Vec<String> {
        record::names::<Record>()
    }

    /// The lab as data.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Its nodes, by name.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.topology.nodes
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Result<&Node, LabError> {
        self.topology.node(name).ok_or_else(|| self.unknown(name))
    }

    /// The pod of this name.
    pub fn pod(&self, name: &str) -> Result<&Pod, LabError> {
        self.topology.pod(name).ok_or_else(|| self.unknown(name))
    }

    /// What an observer has to say about every ordered pair of pods.
    #[must_use]
    pub fn expected(&self) -> Vec<ExpectedPath> {
        self.topology.expected()
    }

    /// The lab as a serialisable value, with the state of its processes.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.topology, &self.ledger.record())
    }

    /// Where logs and settings of this lab are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.ledger.directory()
    }

    /// Carries out steps; processes that they start end with the lab.
    fn execute(&self, steps: &[steps::Step], program: &Path) -> Result<(), LabError> {
        execute::execute(steps, &self.ledger, program, &mut self.children().0)
    }

    /// The processes that this process started; the list is whole also after a panic.
    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self, place: &str) -> LabError {
        let nodes = self.topology.nodes.iter();
        let pods = nodes
            .clone()
            .flat_map(|node| &node.pods)
            .map(|pod| pod.name.as_str());
        let known: Vec<&str> = nodes.map(|node| node.name.as_str()).chain(pods).collect();
        LabError::Options(format!(
            "no {place} here; there are {}, wan{}",
            known.join(", "),
            if self.topology.relay.is_some() {
                ", relay"
            } else {
                ""
            }
        ))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.tear_down == TearDown::Never {
            return;
        }
        let removed = removal::remove(&self.ledger.record());
        self.children().reap();
        if let Err(cause) = removed {
            eprintln!("remove lab {}: {cause}", self.topology.name);
        }
    }
}
