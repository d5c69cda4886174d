//! Devices of a node that is up: removed, made again under a new index, renamed, down and up again.
//! What flanneld or tailscaled would write afterwards is written only where this says so.

use std::thread;
use std::time::{Duration, Instant};

use super::netns::{Tool, batch};
use super::topology::{TUNNEL, VXLAN, VXLAN_SIX};
use super::{Lab, LabError, steps};

/// How long a tunnel process may take to end when asked.
const GRACE: Duration = Duration::from_millis(200);

impl Lab {
    /// Removes flannel.1, flannel-v6.1, or tailscale0 with its process. With tailscale0 goes a flannel.1 that is
    /// bound to it; routes, neighbours and forwarding entries go with their device.
    pub fn remove_device(&self, node: &str, device: &str) -> Result<(), LabError> {
        let netns = &self.node(node)?.netns;
        match device {
            VXLAN | VXLAN_SIX => batch(Tool::Ip, Some(netns), &[&format!("link del {device}")]),
            TUNNEL => self.end_tunnel(node),
            other => Err(unknown(other)),
        }
    }

    /// Makes flannel.1 or tailscale0 again, with a new index and with all its entries, as flanneld or
    /// tailscaled make it after a restart.
    pub fn restore_device(&self, node: &str, device: &str) -> Result<(), LabError> {
        if ![VXLAN, VXLAN_SIX, TUNNEL].contains(&device) {
            return Err(unknown(device));
        }
        let node = self.node(node)?;
        let steps = steps::again(&self.topology, node, device, self.ledger.directory());
        self.execute(&steps, &self.ledger.record().options.program()?)
    }

    /// Gives a device another name; it keeps its index and stays up (Linux 6.3 or newer).
    pub fn rename_device(&self, place: &str, from: &str, to: &str) -> Result<(), LabError> {
        let line = format!("link set {from} name {to}");
        batch(Tool::Ip, Some(self.netns(place)?), &[&line])
    }

    /// Takes a device of a node down and up so many times, evenly over a time, and then writes the
    /// routes and neighbours that were lost.
    pub fn flap_device(&self, node: &str, device: &str, flaps: Flaps) -> Result<(), LabError> {
        let node = self.node(node)?;
        let pause = flaps.within / flaps.times.max(1);
        let begun = Instant::now();
        for turn in 1..=flaps.times {
            let lines = ["down", "up"].map(|state| format!("link set {device} {state}"));
            let lines = lines.each_ref().map(String::as_str);
            batch(Tool::Ip, Some(&node.netns), &lines)?;
            thread::sleep((pause * turn).saturating_sub(begun.elapsed()));
        }
        let steps = steps::entries(&self.topology, node, device);
        self.execute(&steps, &self.ledger.record().options.program()?)
    }

    /// Ends the process behind tailscale0: its device lives as long as it does.
    fn end_tunnel(&self, node: &str) -> Result<(), LabError> {
        let name = steps::tunnel_process(self.node(node)?);
        let processes = self.ledger.record().processes;
        let mut running = processes.iter().filter(|process| process.is_alive());
        let process = running.find(|process| process.what == name);
        let process = process.ok_or_else(|| LabError::Ended {
            what: name.clone(),
            detail: "it is not running; `restore_device` starts it".to_owned(),
        })?;
        process.end(GRACE);
        self.children().forget(process)?;
        self.ledger
            .update(|record| record.processes.retain(|known| known != process))
    }
}

/// How a device is flapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaps {
    /// How often it goes down and up again.
    pub times: u32,
    /// In which time.
    pub within: Duration,
}

fn unknown(device: &str) -> LabError {
    LabError::Options(format!(
        "remove or restore {device}; possible are {VXLAN}, {VXLAN_SIX} and {TUNNEL}"
    ))
}
