//! What can be done with a lab that is up: run something in a place, change a delay or an MTU.
//! A place is a node, a pod or `wan`, the router between the nodes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::netns::{self, Tool, batch};
use super::topology::Relay;
use super::{ChildGuard, Lab, LabError, WireId, execute, knob, steps};

/// What the router of a lab with a relay does with UDP from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectUdp {
    /// It forwards it.
    Passes,
    /// It drops it.
    Dropped,
}

impl Lab {
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
        let started = execute::spawn(self.netns(place)?, argv, log, what, self.ledger.as_ref())?;
        Ok(ChildGuard::new(started, Arc::clone(&self.ledger) as _))
    }

    /// Namespace of a node, a pod or the router (`wan`).
    pub fn netns(&self, place: &str) -> Result<&str, LabError> {
        if place == "relay" {
            return Ok(&self.relay()?.netns);
        }
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

    /// Sets how long the relay holds each packet, from the next one on.
    pub fn set_relay_delay(&self, delay: Duration) -> Result<(), LabError> {
        self.relay()?;
        knob::set(&self.delay_file(steps::relay::PROCESS), delay)
    }

    /// Lets UDP from node to node pass the router, or drops it as at the beginning. Tunnels go direct
    /// within [`wireguard::PING`], and back to the relay within [`wireguard::TRUST`].
    pub fn set_direct_udp(&self, wanted: DirectUdp) -> Result<(), LabError> {
        self.relay()?;
        let table = steps::relay::OBSTACLE;
        // Adding first makes deleting valid whether or not it is there.
        let remove = format!("add table ip {table}; delete table ip {table}");
        batch(Tool::Nft, Some(&self.topology.router), &[&remove])?;
        match wanted {
            DirectUdp::Passes => Ok(()),
            DirectUdp::Dropped => {
                let obstacle = steps::relay::obstacle(&self.topology);
                self.execute(&[obstacle], &self.ledger.record().options.program()?)
            }
        }
    }

    /// The relay host, if the scenario has one.
    pub fn relay(&self) -> Result<&Relay, LabError> {
        self.topology.relay.as_ref().ok_or_else(|| {
            let scenario = self.topology.scenario.name();
            LabError::Options(format!("{scenario} has no relay; s5 and h8 have one"))
        })
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

    /// Changes where a node sends what is for the pods of a peer: its forwarding entry, as flanneld
    /// writes it when the peer's address has changed, or keeps it when flanneld has missed that.
    pub fn set_vtep(
        &self,
        node: &str,
        peer: &str,
        vtep: impl Into<IpAddr>,
    ) -> Result<(), LabError> {
        let vtep = vtep.into();
        let entry = steps::forwarding(self.node(node)?, self.node(peer)?, vtep);
        let entry = entry.ok_or_else(|| {
            LabError::Options(format!(
                "send what is for the pods of {peer} to {vtep}: these have no addresses of that family"
            ))
        })?;
        self.execute(&[entry], &self.ledger.record().options.program()?)
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
}
