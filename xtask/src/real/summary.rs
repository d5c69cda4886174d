//! The real lab as people and programs see it: nodes, addresses, expectations, processes, times.

use std::fmt;

use serde::Serialize;

use super::RealLab;
use super::plan::Plan;
use super::scenario::{Expected, Finding};
use super::state::{NAME, State};
use crate::lab::LabError;
use crate::lab::record::Remains;

/// The state of the real lab.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Id of its scenario; the state below has it in the document.
    #[serde(skip)]
    pub scenario: &'static str,
    /// What that is.
    pub title: &'static str,
    /// The lab as data.
    pub plan: Plan,
    /// What was learnt while it was built, and what of it runs.
    #[serde(flatten)]
    state: State,
    /// What is to be seen of which pairs.
    pub expected: Vec<Expected>,
    /// What is to be found.
    pub finding: Option<Finding>,
    /// Names of processes that have ended by themselves.
    pub gone: Vec<String>,
}

impl RealLab {
    /// The lab as a serialisable value, with the state of its processes.
    pub fn summary(&self) -> Result<Summary, LabError> {
        let state = self.ledger.record();
        let gone = state.processes().iter().filter(|own| !own.is_alive());
        Ok(Summary {
            scenario: self.scenario.id,
            title: self.scenario.title,
            plan: self.plan.clone(),
            expected: (self.scenario.paths)(self)?,
            finding: self.scenario.finding,
            gone: gone.map(|process| process.what.clone()).collect(),
            state,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State {
            owner,
            tailnet,
            pods,
            undone,
            phases,
            ..
        } = &self.state;
        let fault = if *undone { ", fault undone" } else { "" };
        let (scenario, title, seed) = (self.scenario, self.title, self.plan.seed);
        writeln!(out, "{scenario}: {title}; seed {seed}{fault}")?;
        for node in &self.plan.nodes {
            let wires = node.wires.iter();
            let wires: Vec<String> = wires
                .map(|wire| format!("{} {}", wire.device, wire.address))
                .collect();
            let (name, role, wires) = (&node.name, node.role, wires.join(", "));
            write!(out, "  {name} ({role}): {wires}")?;
            if let Some(address) = tailnet.get(name) {
                write!(out, ", tailscale0 {address}")?;
            }
            writeln!(out, ", pods {}", node.pod_cidr())?;
            for pod in &node.pods {
                match pods.get(pod) {
                    Some(own) => {
                        writeln!(out, "    {pod}: {} behind {}", own.address, own.host_veth)?;
                    }
                    None => writeln!(out, "    {pod}: not attached")?,
                }
            }
        }
        let total: f64 = phases.iter().map(|(_, took)| took).sum();
        let parts = phases.iter();
        let parts: Vec<String> = parts
            .map(|(name, took)| format!("{name} {took:.1} s"))
            .collect();
        write!(out, "  up in {total:.1} s: {}", parts.join(", "))?;
        if let Some(owner) = owner {
            let pid = owner.pid;
            if owner.is_alive() {
                write!(out, "\n  process {pid} holds it, and removes it in the end")?;
            } else {
                write!(
                    out,
                    "\n  left by process {pid}, which was killed: the next real lab, or \
                     `cargo xtask lab down {NAME}`, removes it"
                )?;
            }
        }
        for name in &self.gone {
            write!(out, "\n  {name} has ended")?;
        }
        Ok(())
    }
}
