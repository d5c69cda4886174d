//! A lab with observers in its nodes: put up together, taken down together. It measures nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::agent::Agent;
use super::{RunArgs, RunError};
use crate::lab::topology::Family;
use crate::lab::{Lab, LabError, Node, Options, Scenario, Topology};
use crate::reports::{self, Finding, Reports};

/// A terminal's Ctrl-C also hits the tools that remove a lab: how often removal is tried.
const REMOVALS: usize = 3;

/// What a lab is there to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// One pair of pods, client and server; their nodes alone get an observer.
    Pair,
    /// What goes through its Services.
    Services,
    /// All pairs that answer, and its Services.
    All,
}

/// A lab that is up, with its observers.
#[derive(Debug)]
pub(super) struct Site {
    shown: Shown,
    // Dropped before the agents: it ends all processes of the lab at the same time.
    lab: Lab,
    agents: Vec<Agent>,
}

/// What is left of a site that was taken down.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) topology: Topology,
    /// Node name and what its observer has said.
    pub(super) reports: Vec<(String, Reports)>,
}

impl Site {
    /// Brings up one lab without observers.
    fn up(
        (scenario, shown): (Scenario, Shown),
        seed: u64,
        options: &RunArgs,
    ) -> Result<Self, RunError> {
        let name = format!("{}-{}", options.name, scenario.name());
        let asked = Options::new(scenario).with_name(&name).with_seed(seed);
        let lab = Lab::up(asked)?;
        let agents = Vec::new();
        Ok(Self { shown, lab, agents })
    }

    /// Brings up all labs at the same time.
    pub(super) fn up_all(
        wanted: &[(Scenario, Shown)],
        seed: u64,
        options: &RunArgs,
    ) -> Result<Vec<Self>, RunError> {
        thread::scope(|scope| {
            let threads: Vec<_> = wanted
                .iter()
                .map(|&one| scope.spawn(move || Self::up(one, seed, options)))
                .collect();
            let sites: Vec<_> = threads.into_iter().map(joined).collect();
            sites.into_iter().collect()
        })
    }

    /// Starts its observers.
    pub(super) fn watch(&mut self, program: &Path, options: &RunArgs) -> Result<(), RunError> {
        let nodes = self.lab.nodes();
        let count = match self.shown {
            Shown::Pair => 2,
            Shown::Services | Shown::All => nodes.len(),
        };
        for node in nodes.iter().take(count) {
            self.agents
                .push(Agent::start(&self.lab, &node.name, program, options)?);
        }
        Ok(())
    }

    /// What it is there to show.
    pub(super) fn shown(&self) -> Shown {
        self.shown
    }

    /// The lab as data.
    pub(super) fn topology(&self) -> &Topology {
        self.lab.topology()
    }

    /// Reads what the observers have said; an error if one has ended.
    pub(super) fn poll(&mut self) -> Result<(), RunError> {
        self.agents.iter_mut().try_for_each(Agent::poll)
    }

    /// Sweeps so far, observer by observer.
    pub(super) fn sweeps(&self) -> Vec<u64> {
        self.agents
            .iter()
            .map(|agent| agent.reports().sweeps())
            .collect()
    }

    /// The error of the first observer that has not gone beyond `sweeps`.
    pub(super) fn silent(&self, sweeps: &[u64], patience: Duration) -> Option<RunError> {
        let mut agents = self.agents.iter().zip(sweeps);
        let silent = agents.find(|(agent, before)| agent.reports().sweeps() <= **before);
        silent.map(|(agent, _)| agent.silent(patience))
    }

    /// What the sender's observer says of a pair of pods.
    pub(super) fn path(&self, from: &str, to: &str, family: Family) -> Option<&reports::Path> {
        let reports = self
            .agents
            .iter()
            .map(|agent| (agent.node(), agent.reports()));
        path(self.topology(), reports, [from, to], family)
    }

    /// Packets from one address to another at the pod point of a node, as its observer has counted
    /// them so far.
    pub(super) fn at_pod(&self, node: &str, [from, to]: [Ipv4Addr; 2]) -> u64 {
        let agent = self.agents.iter().find(|agent| agent.node() == node);
        let ends = [from, to].map(|end| end.to_string());
        agent
            .and_then(|agent| agent.reports().path(&ends[0], &ends[1]))
            .and_then(|path| path.points.get("pod"))
            .map_or(0, |passed| passed.packets)
    }

    /// Everything found so far.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.agents
            .iter()
            .flat_map(|agent| agent.reports().findings())
    }

    /// Ends the observers all at once, removes the lab, and returns what they have said.
    fn end(self) -> Result<Ended, RunError> {
        let Self { lab, agents, .. } = self;
        let ended: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = agents
                .into_iter()
                .map(|agent| {
                    let node = agent.node().to_owned();
                    scope.spawn(move || agent.end().map(|reports| (node, reports)))
                })
                .collect();
            threads.into_iter().map(joined).collect()
        });
        let topology = lab.topology().clone();
        drop(lab);
        remove(&topology.name)?;
        let reports = ended.into_iter().collect::<Result<_, _>>()?;
        Ok(Ended { topology, reports })
    }

    /// Takes all of them down at the same time, all of them also when one fails.
    pub(super) fn end_all(sites: Vec<Self>) -> Result<Vec<Ended>, RunError> {
        thread::scope(|scope| {
            let threads: Vec<_> = sites
                .into_iter()
                .map(|site| scope.spawn(move || site.end()))
                .collect();
            let ended: Vec<_> = threads.into_iter().map(joined).collect();
            ended.into_iter().collect()
        })
    }
}

impl Ended {
    /// What the sender's observer says of a pair of pods.
    pub(super) fn path(&self, from: &str, to: &str, family: Family) -> Option<&reports::Path> {
        let reports = self
            .reports
            .iter()
            .map(|(node, reports)| (node.as_str(), reports));
        path(&self.topology, reports, [from, to], family)
    }

    /// Every finding about these two nodes, as any of their observers names them.
    pub(super) fn findings_about(&self, from: &Node, to: &Node) -> Vec<&Finding> {
        let label = self.topology.scenario.name();
        let is = |node: &Node, name: &str| {
            let devices = node.devices.iter();
            let four = devices.clone().map(|device| device.address);
            let four = four.chain([node.vtep, node.tailnet.address]);
            let six = devices.filter_map(|device| device.address_six);
            let six = six.chain(node.tailnet.address_six);
            let addresses = four.map(IpAddr::from).chain(six.map(IpAddr::from));
            let mut names = addresses.map(|address| address.to_string());
            name == format!("{label}-{}", node.name) || names.any(|address| name == address)
        };
        let ends = [from, to];
        let about = |finding: &&Finding| {
            let named = |node: &Node| finding.subject.nodes.iter().any(|name| is(node, name));
            ends.iter().all(|node| named(node))
        };
        self.reports
            .iter()
            .flat_map(|(_, reports)| reports.findings())
            .filter(about)
            .collect()
    }

    /// The last words of the observer of a node.
    pub(super) fn words(&self, node: &str) -> &str {
        let mut reports = self.reports.iter();
        reports
            .find(|(own, _)| own == node)
            .map_or("no observer ran there", |(_, reports)| reports.words())
    }
}

/// What the sender's observer says of a pair of pods.
fn path<'a>(
    topology: &Topology,
    mut reports: impl Iterator<Item = (&'a str, &'a Reports)>,
    [from, to]: [&str; 2],
    family: Family,
) -> Option<&'a reports::Path> {
    let [source, destination] =
        [from, to].map(|name| topology.pod(name).and_then(|pod| pod.address_of(family)));
    let node = topology
        .nodes
        .iter()
        .find(|node| node.pods.iter().any(|pod| pod.name == from))?;
    let (_, said) = reports.find(|(own, _)| *own == node.name)?;
    said.path(&source?.to_string(), &destination?.to_string())
}

/// Makes sure that nothing of a lab is left.
fn remove(name: &str) -> Result<(), LabError> {
    let is_left = || Lab::names().iter().any(|left| left == name);
    for _ in 1..REMOVALS {
        if !is_left() || Lab::down(name).is_ok() {
            return Ok(());
        }
    }
    if is_left() { Lab::down(name) } else { Ok(()) }
}

/// The result of a thread; its panic is passed on.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
