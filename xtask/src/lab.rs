//! The small network lab: three nodes, their pods, flannel.1, tailscale0 and the wires between,
//! all in namespaces of their own. It never touches an address, route or rule of the namespace it
//! is called from, and leaves nothing behind.
//!
//! [`Lab::up`] builds a [`Topology`] from [`Options`] and returns a guard; dropping it, also on an
//! error half way, removes everything. See `docs/lab.md` for the drawings.

mod children;
mod deal;
pub mod delay;
mod error;
mod execute;
mod held;
pub(crate) mod kernel;
mod knob;
pub mod netns;
mod options;
mod process;
mod ready;
mod record;
mod removal;
mod scenario;
mod status;
mod steps;
pub mod topology;
pub mod wireguard;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub use self::children::ChildGuard;
pub use self::error::LabError;
pub use self::options::{Options, WireId};
pub use self::process::Identity;
pub use self::record::{ROOT, Record};
pub use self::scenario::Scenario;
pub use self::status::Status;
pub use self::topology::{ExpectedPath, Node, Pod, Topology};

use self::children::Children;
use self::netns::{Tool, batch};
use self::record::Ledger;

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    topology: Topology,
    ledger: Arc<Ledger>,
    children: Children,
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
        let mut lab = Self {
            topology,
            ledger: Arc::new(ledger),
            children: Children::default(),
            tear_down: TearDown::OnDrop,
        };
        let steps = steps::steps(&lab.topology, lab.ledger.directory());
        execute::execute(&steps, &lab.ledger, &program, &mut lab.children.0)?;
        ready::await_talking(&lab.topology)?;
        Ok(lab)
    }

    /// Opens a lab that another process brought up; dropping this does not remove it.
    pub fn open(name: &str) -> Result<Self, LabError> {
        let ledger = Ledger::open(name)?;
        Ok(Self {
            topology: scenario::topology(&ledger.record().options),
            ledger: Arc::new(ledger),
            children: Children::default(),
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
        removal::remove(&record::read(name)?)
    }

    /// Removes every lab whose owner was killed; returns their names.
    pub fn sweep() -> Result<Vec<String>, LabError> {
        removal::sweep()
    }

    /// Names of all labs with state on this machine, dead ones included.
    #[must_use]
    pub fn names() -> Vec<String> {
        record::names()
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

    /// A command in the namespace of a node, a pod or the router (`wan`).
    pub fn command(&self, place: &str, argv: &[&str]) -> Result<Command, LabError> {
        Ok(netns::command(self.netns(place)?, argv))
    }

    /// A shell in such a place, on the caller's terminal.
    pub fn shell(&self, place: &str) -> Result<Command, LabError> {
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
        self.command(place, &[&shell])
    }

    /// Starts a process in such a place; it ends with the guard or with the lab.
    pub fn spawn(&self, place: &str, argv: &[&str], log: &Path) -> Result<ChildGuard, LabError> {
        let what = argv.first().copied().unwrap_or("process");
        let started = execute::spawn(self.netns(place)?, argv, log, what, &self.ledger)?;
        Ok(ChildGuard::new(started, Arc::clone(&self.ledger)))
    }

    /// Namespace of a node, a pod or the router (`wan`).
    pub fn netns(&self, place: &str) -> Result<&str, LabError> {
        if place == "wan" {
            return Ok(&self.topology.router);
        }
        let node = self.topology.node(place).map(|node| &node.netns);
        let pod = || self.topology.pod(place).map(|pod| &pod.netns);
        Ok(node.or_else(pod).ok_or_else(|| self.unknown(place))?)
    }

    /// Sets the delay of everything the tunnel of a node sends, from its next packet on.
    pub fn set_tunnel_delay(&self, node: &str, delay: Duration) -> Result<(), LabError> {
        self.node(node)?;
        knob::set(&self.delay_file(&format!("wireguard-{node}")), delay)
    }

    /// Sets the delay per direction of a wire that has a delay box.
    pub fn set_wire_delay(&self, wire: &WireId, delay: Duration) -> Result<(), LabError> {
        let devices = &self.node(&wire.node)?.devices;
        let device = devices
            .iter()
            .find(|own| own.name == wire.device && own.delay_box);
        let device = device.ok_or_else(|| {
            let WireId { node, device } = wire;
            LabError::Options(format!(
                "{node} has no delay box in {device}; ask for it at `up`"
            ))
        })?;
        knob::set(
            &self.delay_file(&format!("delay-{}", device.router_port)),
            delay,
        )
    }

    /// Changes the MTU of a device as an operator would by hand.
    pub fn set_mtu(&self, place: &str, device: &str, mtu: u32) -> Result<(), LabError> {
        batch(
            Tool::Ip,
            Some(self.netns(place)?),
            &[&format!("link set {device} mtu {mtu}")],
        )
    }

    /// Makes every sender in this place send single packets: no segmentation offload, so that one
    /// packet in a counter is one packet on the wire.
    pub fn send_single_packets(&self, place: &str, device: &str) -> Result<(), LabError> {
        batch(
            Tool::Ip,
            Some(self.netns(place)?),
            &[&format!("link set {device} gso_max_segs 1")],
        )
    }

    fn delay_file(&self, process: &str) -> PathBuf {
        self.ledger.directory().join(format!("{process}.ms"))
    }

    fn unknown(&self, place: &str) -> LabError {
        let nodes = self.topology.nodes.iter();
        let pods = nodes
            .clone()
            .flat_map(|node| &node.pods)
            .map(|pod| pod.name.as_str());
        let known: Vec<&str> = nodes.map(|node| node.name.as_str()).chain(pods).collect();
        LabError::Options(format!(
            "no {place} here; there are {} and wan",
            known.join(", ")
        ))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.tear_down == TearDown::Never {
            return;
        }
        let removed = removal::remove(&self.ledger.record());
        self.children.reap();
        if let Err(cause) = removed {
            eprintln!("remove lab {}: {cause}", self.topology.name);
        }
    }
}
