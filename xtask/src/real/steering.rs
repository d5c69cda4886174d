//! What scenarios do to the real lab: pod networks, routes of the tailnet, MTUs, rules. Everything is
//! done as an operator would, by the components' own commands.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use super::await_true::await_true;
use super::flannel::{self, Backend};
use super::plan::Node;
use super::{RealLab, control, pods, tailscaled};
use crate::lab::LabError;
use crate::lab::netns::{Tool, batch};

/// Patience with routes: they travel from machine to server to machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How routes of the tailnet reach a machine's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// Packets that arrive keep their source (`--snat-subnet-routes=false`).
    Kept,
    /// They get the address of cni0, as is tailscaled's default.
    Masqueraded,
}

impl RealLab {
    /// Does something for every node at the same time; the first error is returned.
    pub fn on_every_node(
        &self,
        work: impl Fn(&Node) -> Result<(), LabError> + Sync,
    ) -> Result<(), LabError> {
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .plan()
                .nodes
                .iter()
                .map(|node| scope.spawn(|| work(node)))
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    /// Starts flanneld on every node, on the device that is named for it, and attaches the pods.
    pub fn pod_network(
        &self,
        backend: Backend,
        device: impl Fn(&Node) -> &'static str + Sync,
    ) -> Result<(), LabError> {
        flannel::configure(backend)?;
        self.on_every_node(|node| {
            flannel::start(self, node, device(node))?;
            self.attach_pods(node)
        })
    }

    /// Attaches the pods of nodes that have no flanneld, with this MTU, as k3s does with a backend
    /// of another's.
    pub fn bare_pods(&self, mtu: u32) -> Result<(), LabError> {
        self.on_every_node(|node| {
            flannel::write(self, node, mtu, true)?;
            self.attach_pods(node)
        })
    }

    /// Takes flanneld, its device, the bridge and the pods' ports away again.
    pub fn remove_pod_network(&self) -> Result<(), LabError> {
        self.on_every_node(|node| {
            for pod in &node.pods {
                pods::remove(self, node, pod)?;
            }
            flannel::stop(self, node)?;
            for device in ["flannel.1", "cni0"] {
                if self.has_device(&node.name, device)? {
                    self.ip(&node.name, &[&format!("link del {device}")])?;
                }
            }
            // host-gw leaves its routes.
            for other in self
                .plan()
                .nodes
                .iter()
                .filter(|other| other.name != node.name)
            {
                let line = format!("route flush {}", other.pod_cidr());
                self.ip(&node.name, &[&line])?;
            }
            Ok(())
        })
    }

    /// Starts flanneld of a node again, on the device it had or another; pods stay as they are.
    pub fn restart_flannel(&self, node: &Node, device: &str) -> Result<(), LabError> {
        flannel::stop(self, node)?;
        flannel::start(self, node, device)
    }

    /// Attaches all pods of a node.
    pub fn attach_pods(&self, node: &Node) -> Result<(), LabError> {
        let mut pods = node.pods.iter();
        pods.try_for_each(|pod| pods::add(self, node, pod))
    }

    /// Attaches the pods of a node anew: they get the MTU that flanneld says by now.
    pub fn recreate_pods(&self, node: &Node) -> Result<(), LabError> {
        for pod in &node.pods {
            pods::remove(self, node, pod)?;
        }
        self.attach_pods(node)
    }

    /// Makes a node offer routes to the tailnet, approved.
    pub fn advertise(&self, node: &Node, routes: &[String]) -> Result<(), LabError> {
        let list = format!("--advertise-routes={}", routes.join(","));
        tailscaled::tell(self, &node.name, &["set", &list])?;
        control::approve(self, &node.name, routes)
    }

    /// Withdraws what a node offers.
    pub fn withdraw(&self, node: &Node) -> Result<(), LabError> {
        tailscaled::tell(self, &node.name, &["set", "--advertise-routes="]).map(|_| ())
    }

    /// Makes a node take the routes of others, and waits until these are in its table 52.
    pub fn accept(&self, node: &Node, sources: Sources, await_: &[String]) -> Result<(), LabError> {
        let masquerade = sources == Sources::Masqueraded;
        let sources = format!("--snat-subnet-routes={masquerade}");
        tailscaled::tell(self, &node.name, &["set", "--accept-routes", &sources])?;
        await_true(&format!("table 52 of {}", node.name), PATIENCE, || {
            let argv = ["ip", "-4", "route", "show", "table", "52"];
            let table = self.output(&node.name, &argv)?;
            let has = |route: &String| table.lines().any(|line| line.starts_with(route.as_str()));
            Ok(await_.iter().all(has))
        })
    }

    /// Makes a node take no more routes of others.
    pub fn refuse_routes(&self, node: &Node) -> Result<(), LabError> {
        tailscaled::tell(self, &node.name, &["set", "--accept-routes=false"]).map(|_| ())
    }

    /// Every node offers its pods to the tailnet, and takes those of all others.
    pub fn share_pods(&self, sources: Sources) -> Result<(), LabError> {
        self.on_every_node(|node| self.advertise(node, &[node.pod_cidr()]))?;
        self.on_every_node(|node| {
            let others = self
                .plan()
                .nodes
                .iter()
                .filter(|other| other.name != node.name);
            let routes: Vec<String> = others.map(Node::pod_cidr).collect();
            self.accept(node, sources, &routes)
        })
    }

    /// Lets the main table decide about pods before the tailnet's does (rule 5270): flannel's routes
    /// count again.
    pub fn pods_by_main(&self, node: &Node) -> Result<(), LabError> {
        let line = format!("rule add to {} lookup main priority 5200", flannel::NETWORK);
        self.ip(&node.name, &[&line])
    }

    /// Keeps a node's tailscaled from sending to these networks, so that its choice of endpoints is
    /// known: rules for its mark, in a table of the lab's own.
    pub fn keep_tunnel_from(&self, node: &Node, what: &str) -> Result<(), LabError> {
        let rule = format!(
            "add table ip lab; delete table ip lab; table ip lab {{
  chain out {{
    type filter hook output priority -10; policy accept;
    meta mark & 0xff0000 == 0x80000 {what} counter drop
  }}
}}"
        );
        self.nft(&node.name, &rule)
    }

    /// Lets it choose again.
    pub fn free_tunnel(&self, node: &Node) -> Result<(), LabError> {
        self.nft(&node.name, "add table ip lab; delete table ip lab")
    }

    /// Changes the MTU of a device.
    pub fn set_mtu(&self, place: &str, device: &str, mtu: u32) -> Result<(), LabError> {
        self.ip(place, &[&format!("link set {device} mtu {mtu}")])
    }

    /// Lines for `ip` in a namespace.
    pub fn ip(&self, place: &str, lines: &[&str]) -> Result<(), LabError> {
        batch(Tool::Ip, Some(place), lines)
    }

    /// A ruleset for `nft` in a namespace.
    pub fn nft(&self, place: &str, ruleset: &str) -> Result<(), LabError> {
        batch(Tool::Nft, Some(place), &[ruleset])
    }

    /// The first pod of a node and its address.
    pub fn pod_of(&self, node: &Node) -> Result<(String, Ipv4Addr), LabError> {
        let name = node.pods.first().cloned().unwrap_or_default();
        let address = self.pod(&name)?.address;
        Ok((name, address))
    }
}
