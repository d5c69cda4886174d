//! What scenarios do to the real lab: pod networks, routes of the tailnet, MTUs, rules. Everything is
//! done as an operator would, by the components' own commands.

use std::net::Ipv4Addr;
use std::thread;

use super::flannel::{self, Backend};
use super::plan::Node;
use super::tailscaled::Reach;
use super::{RealLab, control, pods, tailscaled};
use crate::lab::LabError;
use crate::lab::netns::{Tool, batch};
use crate::traffic::pair::join;

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
            threads.into_iter().try_for_each(join)
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

    /// Takes flanneld, its lease and device, the bridge and the pods' ports away again.
    pub fn remove_pod_network(&self) -> Result<(), LabError> {
        self.on_every_node(|node| {
            for pod in &node.pods {
                pods::remove(self, node, pod)?;
            }
            flannel::stop(self, node)?;
            flannel::forget(node)?;
            for device in ["flannel.1", "cni0"] {
                if self.has_device(&node.name, device)? {
                    self.ip(&node.name, &[&format!("link del {device}")])?;
                }
            }
            // host-gw leaves its routes.
            for other in node.others(self.plan()) {
                let line = format!("route flush {}", other.pod_cidr());
                self.ip(&node.name, &[&line])?;
            }
            Ok(())
        })
    }

    /// Starts flanneld of a node again, on the device and address it had; pods stay as they are.
    pub fn restart_flannel(&self, node: &Node, device: &str) -> Result<(), LabError> {
        flannel::stop(self, node)?;
        flannel::start(self, node, device)
    }

    /// Starts flanneld of a node again, on another device or address; pods stay as they are.
    pub fn move_flannel(&self, node: &Node, device: &str) -> Result<(), LabError> {
        flannel::stop(self, node)?;
        flannel::forget(node)?;
        flannel::start(self, node, device)
    }

    /// Attaches all pods of a node.
    pub fn attach_pods(&self, node: &Node) -> Result<(), LabError> {
        let mut pods = node.pods.iter();
        pods.try_for_each(|pod| pods::add(self, node, pod))
    }

    /// Attaches the pods of a node anew: they get the MTU that flanneld says by now.
    pub fn recreate_pods(&self, node: &Node) -> Result<(), LabError> {
        self.recreate(node, &node.pods)
    }

    /// Attaches some pods of a node anew.
    pub fn recreate(&self, node: &Node, pods: &[String]) -> Result<(), LabError> {
        for pod in pods {
            pods::remove(self, node, pod)?;
        }
        pods.iter().try_for_each(|pod| pods::add(self, node, pod))
    }

    /// Makes the pods of a node cut what they send by themselves, and its flannel.1 put nothing
    /// together: no segmentation-offload packet is on the pods' way.
    pub fn send_single_packets(&self, node: &Node) -> Result<(), LabError> {
        for pod in &node.pods {
            self.ip(pod, &["link set eth0 gso_max_segs 1"])?;
        }
        // Nothing that is put together is shorter than one header.
        let line = "link set flannel.1 gro_max_size 1";
        self.ip(&node.name, &[line])
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
        self.await_routes(node, &["table", "52"], await_)
    }

    /// Lets a node look for a network in its main table before it asks table 52: the rules of
    /// tailscaled begin at 5210.
    pub fn prefer_main(&self, node: &Node, network: &str) -> Result<(), LabError> {
        let line = format!("rule add to {network} lookup main priority 5200");
        self.ip(&node.name, &[&line])
    }

    /// Makes a node take no more routes of others.
    pub fn refuse_routes(&self, node: &Node) -> Result<(), LabError> {
        tailscaled::tell(self, &node.name, &["set", "--accept-routes=false"]).map(|_| ())
    }

    /// Every node offers its pods to the tailnet, and takes those of all others.
    pub fn share_pods(&self, sources: Sources) -> Result<(), LabError> {
        self.on_every_node(|node| self.advertise(node, &[node.pod_cidr()]))?;
        self.on_every_node(|node| {
            let routes: Vec<String> = node.others(self.plan()).map(Node::pod_cidr).collect();
            self.accept(node, sources, &routes)
        })
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

    /// Ends tailscaled of a node and starts it again; its device goes and comes back.
    pub fn restart_tailscaled(&self, node: &Node) -> Result<(), LabError> {
        let place = &node.name;
        tailscaled::stop(self, place)?;
        tailscaled::start(self, place, tailscaled::PORT, &[])?;
        node.others(self.plan())
            .try_for_each(|other| tailscaled::await_reach(self, place, &other.name, Reach::Direct))
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
