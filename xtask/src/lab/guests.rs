//! Pods that come and go while a lab is up, made as the CNI bridge plugin makes them.
//! The record names each before it is made, so that it goes with the lab whatever happens.

use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde::{Deserialize, Serialize};

use super::deal::Deal;
use super::error::LabError;
use super::netns::{self, Tool, batch};
use super::record::Ledger;
use super::topology::{Node, Pod};
use super::{Lab, execute, steps};

/// Host parts of a pod network that a pod may have; 1 is cni0.
const HOSTS: std::ops::RangeInclusive<u8> = 2..=254;

/// How long a port may take to open; some milliseconds on an idle machine.
const PORT_PATIENCE: Duration = Duration::from_secs(5);
/// The carrier has no event without a netlink socket of our own.
const POLL: Duration = Duration::from_millis(1);

/// The pods that were added to a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guests {
    /// Those that are there.
    pub pods: Vec<Pod>,
    /// How many there have ever been: numbers names, and turns addresses round.
    pub made: u64,
}

impl Guests {
    /// Plans one more pod of a node, with an address that none of its pods has and that was free for
    /// as long as possible; none if all are taken.
    fn plan(&mut self, node: &Node, seed: u64) -> Option<Pod> {
        let own = node.pods.iter().chain(&self.pods);
        let taken: Vec<_> = own.map(|pod| pod.address).collect();
        let turn = usize::try_from(self.made).unwrap_or_default() % HOSTS.count();
        let hosts = HOSTS.cycle().skip(turn).take(HOSTS.count());
        let mut addresses = hosts.map(|host| node.pod_address(host));
        let address = addresses.find(|address| !taken.contains(address))?;
        self.made += 1;
        let number = self.made;
        let mut deal = Deal::new(seed.wrapping_add(number));
        let pod = Pod {
            name: format!("{}-x{number}", node.name),
            netns: format!("{}-x{number}", node.netns),
            address,
            address_six: node
                .six
                .as_ref()
                .map(|six| six.pod_address(address.octets()[3])),
            mac: deal.mac(),
            host_veth: deal.veth(),
        };
        self.pods.push(pod.clone());
        Some(pod)
    }
}

/// A pod that was added to a lab; it goes when this is dropped, or with the lab.
#[derive(Debug)]
pub struct PodGuard {
    pod: Pod,
    node: String,
    ledger: Arc<Ledger>,
    removed: bool,
}

impl Lab {
    /// Adds a pod to a node, ready to talk; some milliseconds.
    pub fn add_pod(&self, node: &str) -> Result<PodGuard, LabError> {
        let node = self.node(node)?;
        let mut planned = None;
        self.ledger.update(|record| {
            planned = record.guests.plan(node, record.options.seed);
            let netns = planned.iter().map(|pod| pod.netns.clone());
            record.namespaces.extend(netns);
        })?;
        let pod = planned.ok_or_else(|| {
            LabError::Options(format!(
                "no address left in {} for one more pod of {}; remove some",
                node.pod_cidr(),
                node.name
            ))
        })?;
        // From here on the guard removes it, also when a step fails.
        let guard = PodGuard {
            pod,
            node: node.netns.clone(),
            ledger: Arc::clone(&self.ledger),
            removed: false,
        };
        let steps = steps::pod(node, &guard.pod);
        let program = self.ledger.record().options.program()?;
        execute::execute(&steps, &self.ledger, &program, &mut Vec::new())?;
        await_port(&guard.node, &guard.pod.host_veth)?;
        Ok(guard)
    }
}

impl PodGuard {
    /// Removes the pod: its port is gone when this returns.
    pub fn remove(mut self) -> Result<(), LabError> {
        self.take_away()
    }

    fn take_away(&mut self) -> Result<(), LabError> {
        self.removed = true;
        let Pod {
            netns, host_veth, ..
        } = &self.pod;
        // The port goes first, as the plugin does it: a namespace takes its time.
        if netns::exists(netns) {
            let port = format!("link del {host_veth}");
            // A pod that failed half way has no port.
            let ported = batch(Tool::Ip, Some(&self.node), &[&port]);
            batch(Tool::Ip, None, &[&format!("netns del {netns}")])?;
            ported?;
        }
        self.ledger.update(|record| {
            record.namespaces.retain(|known| known != netns);
            record.guests.pods.retain(|pod| pod.netns != *netns);
        })
    }
}

impl Deref for PodGuard {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.pod
    }
}

impl Drop for PodGuard {
    fn drop(&mut self) {
        // The lab may be gone already, and the pod with it.
        if self.removed || !self.ledger.directory().exists() {
            return;
        }
        if let Err(cause) = self.take_away() {
            eprintln!("remove pod {}: {cause}", self.pod.name);
        }
    }
}

/// Waits until the bridge forwards what comes by a port: the kernel opens it behind the scenes.
fn await_port(netns: &str, port: &str) -> Result<(), LabError> {
    let begun = Instant::now();
    let failed = |errno: nix::errno::Errno| {
        LabError::io(format!("list the devices of {netns}"), errno.into())
    };
    while !netns::within(netns, || is_running(port))?.map_err(failed)? {
        if begun.elapsed() > PORT_PATIENCE {
            return Err(LabError::Timeout {
                what: format!("port {port} in {netns}"),
                seconds: begun.elapsed().as_secs_f64(),
                detail: "it has no carrier".to_owned(),
            });
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Whether a device of the calling thread's namespace is up and has a carrier that counts.
fn is_running(device: &str) -> nix::Result<bool> {
    let mut devices = getifaddrs()?.filter(|own| own.interface_name == device);
    Ok(devices.any(|own| own.flags.contains(InterfaceFlags::IFF_RUNNING)))
}

#[cfg(test)]
mod tests {
    use super::{Guests, HOSTS};
    use crate::lab::scenario::topology;
    use crate::lab::{Options, Scenario};

    #[test]
    fn addresses_are_those_that_no_pod_has_and_come_round() {
        let lab = topology(&Options::new(Scenario::H6).with_seed(1));
        let (node, mut guests) = (&lab.nodes[0], Guests::default());
        let first = guests.plan(node, 1).expect("an address");
        guests.pods.clear();
        let second = guests.plan(node, 1).expect("an address");
        assert_ne!(first.address, second.address);
        while guests.plan(node, 1).is_some() {}
        let own = node.pods.iter().chain(&guests.pods);
        let mut all: Vec<_> = own.map(|pod| pod.address).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), HOSTS.count());
    }
}
