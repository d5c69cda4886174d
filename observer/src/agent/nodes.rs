//! Keeps the kernel's list of nodes' addresses in the pods' networks in line with the routes, so that
//! tailscaled's own packets on those networks are nobody's path.

use std::collections::BTreeSet;
use std::net::IpAddr;

use observer_ebpf::abi::key::{Address, FlowKey, NODES};

use crate::config::Network;
use crate::interfaces::{Device, Snapshot as Devices};
use crate::kernel::{Object, TableError};
use crate::routing::{Routing, node_addresses};

use super::{Agent, AgentError};

/// IP protocol number of UDP.
const UDP: u8 = 17;

/// The addresses that the kernel knows.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    known: BTreeSet<IpAddr>,
    is_full: bool,
}

impl Nodes {
    /// Brings the kernel's list in line. Answers with the entries that flows of a new address had
    /// before it was known for a node's: they are to be removed.
    fn refresh(
        &mut self,
        object: &mut Object,
        routing: &mut Routing,
        devices: &[Device],
        networks: &[Network],
    ) -> Result<Vec<FlowKey>, AgentError> {
        let routes = routing.routes(crate::routing::MAIN_TABLE)?;
        let mut wanted = node_addresses(devices, &routes, |address| {
            networks.iter().any(|network| network.contains(address))
        });
        let most = NODES as usize;
        if wanted.len() > most && !self.is_full {
            tracing::warn!(
                addresses = wanted.len(),
                most,
                "more nodes than the list of their addresses holds: tailscaled's packets to the others \
                 look like pods'"
            );
        }
        self.is_full = wanted.len() > most;
        while wanted.len() > most {
            wanted.pop_last();
        }
        for gone in self.known.difference(&wanted) {
            object.nodes.remove(&Address::from(*gone))?;
        }
        let new: Vec<_> = wanted.difference(&self.known).copied().collect();
        for address in &new {
            object.nodes.put(&Address::from(*address), &1)?;
        }
        self.known = wanted;
        Ok(entries_of(object, &new)?)
    }
}

impl Agent {
    /// Tells the kernel which addresses nodes have in the pods' networks.
    pub(super) fn follow_nodes(&mut self, devices: &Devices) -> Result<(), AgentError> {
        let routing = self.roads.routing();
        let networks = &self.config.networks;
        let stale = self
            .nodes
            .refresh(&mut self.object, routing, &devices.devices, networks)?;
        for key in stale {
            self.snapshot.deleted += u64::from(self.object.biflows.remove(&key)?);
            self.intake.forget(&mut self.object, &key)?;
        }
        Ok(())
    }
}

/// The UDP entries of these addresses.
fn entries_of(object: &mut Object, addresses: &[IpAddr]) -> Result<Vec<FlowKey>, TableError> {
    let addresses: BTreeSet<Address> = addresses.iter().copied().map(Address::from).collect();
    let mut entries = Vec::new();
    if !addresses.is_empty() {
        object.biflows.for_each(|key, _| {
            let is_theirs = addresses.contains(&key.low) || addresses.contains(&key.high);
            if key.protocol == UDP && is_theirs {
                entries.push(key);
            }
        })?;
    }
    Ok(entries)
}
