//! A lab as people and programs see it: topology, expectations and processes.

use std::fmt;

use serde::Serialize;

use super::process::Identity;
use super::record::Record;
use super::topology::{ExpectedPath, NodeSix, Topology};

/// The state of a lab.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The lab as data.
    pub topology: Topology,
    /// What an observer has to say about every ordered pair of pods.
    pub expected: Vec<ExpectedPath>,
    /// Who takes it down; none if it is meant to stay.
    pub owner: Option<ProcessStatus>,
    /// Its processes.
    pub processes: Vec<ProcessStatus>,
}

/// One process of a lab.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessStatus {
    /// Which process.
    #[serde(flatten)]
    pub process: Identity,
    /// Whether it runs.
    pub alive: bool,
}

impl From<&Identity> for ProcessStatus {
    fn from(process: &Identity) -> Self {
        Self {
            process: process.clone(),
            alive: process.is_alive(),
        }
    }
}

impl Status {
    pub(super) fn of(topology: &Topology, record: &Record) -> Self {
        Self {
            topology: topology.clone(),
            expected: topology.expected(),
            owner: record.owner.as_ref().map(ProcessStatus::from),
            processes: record.processes.iter().map(ProcessStatus::from).collect(),
        }
    }
}

/// What there is in one family, and perhaps in the other too.
fn both(four: impl fmt::Display, six: Option<impl fmt::Display>) -> String {
    match six {
        Some(six) => format!("{four} and {six}"),
        None => four.to_string(),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Topology {
            name,
            scenario,
            seed,
            nodes,
            ..
        } = &self.topology;
        let owner = match &self.owner {
            None => "stays until `lab down`".to_owned(),
            Some(owner) if owner.alive => format!("held by process {}", owner.process.pid),
            Some(owner) => format!("left by process {}, which is gone", owner.process.pid),
        };
        writeln!(
            out,
            "lab {name}: scenario {}, seed {seed}, {owner}",
            scenario.name()
        )?;
        for node in nodes {
            let devices = node
                .devices
                .iter()
                .map(|own| format!("{} {}", own.name, both(own.address, own.address_six)));
            let devices: Vec<String> = devices.collect();
            let tunnel = both(node.tailnet.address, node.tailnet.address_six);
            let six = node.six.as_ref().map(NodeSix::pod_cidr);
            let (netns, cidr, lower) = (
                &node.netns,
                both(node.pod_cidr(), six),
                &node.flannel_device,
            );
            let role = node.role.name();
            writeln!(
                out,
                "  {netns} ({role}): {}, tailscale0 {tunnel}",
                devices.join(", ")
            )?;
            writeln!(
                out,
                "    flannel.1 on {lower}, pods {cidr}, MTU {}",
                node.pod_mtu
            )?;
            for pod in &node.pods {
                writeln!(
                    out,
                    "    {}: {} behind {}",
                    pod.netns,
                    both(pod.address, pod.address_six),
                    pod.host_veth
                )?;
            }
        }
        if let Some(relay) = &self.topology.relay {
            let (mode, listen) = (relay.mode.name(), relay.listen);
            writeln!(out, "  {} ({mode}): {listen}", relay.netns)?;
        }
        for service in &self.topology.services {
            let backends = service.backends.iter();
            let backends: Vec<String> = backends
                .map(|backend| format!("{} {}", backend.pod, backend.socket()))
                .collect();
            let (name, socket) = (&service.name, service.socket());
            writeln!(out, "  service {name} {socket}: {}", backends.join(", "))?;
        }
        for process in self.processes.iter().filter(|process| !process.alive) {
            writeln!(
                out,
                "  {} (pid {}) is gone",
                process.process.what, process.process.pid
            )?;
        }
        Ok(())
    }
}
