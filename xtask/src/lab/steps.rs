//! The commands that turn a topology into a running lab, as data and in order.
//! Pure: building the list runs nothing; `execute` does.

mod flannel;
mod nodes;
mod pods;
pub(crate) mod relay;
mod router;
pub(crate) mod services;
mod tailnet;

use std::net::IpAddr;
use std::path::Path;

use super::delay;
use super::topology::{Node, Pod, TUNNEL, Topology, VXLAN, VXLAN_SIX};
use super::wireguard::{self, Start};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a namespace.
    Namespace(String),
    /// Write a sysctl inside a namespace.
    Sysctl {
        netns: String,
        key: &'static str,
        value: &'static str,
    },
    /// A line of `ip -batch` inside a namespace.
    Ip { netns: String, line: String },
    /// A line of `ip -6 -batch` inside a namespace.
    Ip6 { netns: String, line: String },
    /// A line of `bridge -batch` inside a namespace.
    Bridge { netns: String, line: String },
    /// A ruleset for `nft -f` inside a namespace.
    Nft { netns: String, ruleset: String },
    /// Start a process of our own inside a namespace.
    Start {
        netns: String,
        name: String,
        helper: Helper,
    },
    /// Wait until a device made by such a process is there.
    Await {
        netns: String,
        device: String,
        process: String,
    },
}

/// A process of our own that a lab needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Helper {
    /// The tunnel of a node.
    Wireguard(wireguard::Config),
    /// A wire that holds frames for a while.
    Delay(delay::Config),
    /// The relay between tunnels.
    Relay(super::relay::Config),
}

/// Collects steps for one namespace.
struct Script<'a> {
    netns: &'a str,
    steps: Vec<Step>,
}

impl<'a> Script<'a> {
    /// An empty script.
    fn new(netns: &'a str) -> Self {
        Self {
            netns,
            steps: Vec::new(),
        }
    }

    /// A line for `ip`.
    fn ip(&mut self, line: impl Into<String>) {
        self.steps.push(Step::Ip {
            netns: self.netns.to_owned(),
            line: line.into(),
        });
    }

    /// A line for `ip -6`.
    fn ip6(&mut self, line: impl Into<String>) {
        self.steps.push(Step::Ip6 {
            netns: self.netns.to_owned(),
            line: line.into(),
        });
    }

    /// IPv6 that forwards, and addresses that are there at once: nothing in a lab is a duplicate. Before
    /// any device is made, since `default` is copied at creation.
    fn forward_six(&mut self) {
        self.sysctl("net.ipv6.conf.all.accept_dad", "0");
        self.sysctl("net.ipv6.conf.default.accept_dad", "0");
        self.sysctl("net.ipv6.conf.all.forwarding", "1");
    }

    /// A sysctl.
    fn sysctl(&mut self, key: &'static str, value: &'static str) {
        self.steps.push(Step::Sysctl {
            netns: self.netns.to_owned(),
            key,
            value,
        });
    }
}

/// All steps of a lab whose files go to `directory`.
pub(crate) fn steps(topology: &Topology, directory: &Path) -> Vec<Step> {
    let nodes: Vec<&Node> = topology
        .order
        .iter()
        .filter_map(|&position| topology.nodes.get(position))
        .collect();
    let mut steps: Vec<Step> = topology
        .namespaces()
        .into_iter()
        .map(Step::Namespace)
        .collect();
    steps.extend(router::switches(topology));
    for node in &nodes {
        steps.extend(nodes::wires(node, topology));
    }
    if let Some(relay) = &topology.relay {
        steps.extend(relay::host(relay, &topology.router));
    }
    steps.extend(router::ports(topology, &nodes, directory));
    steps.extend(
        nodes
            .iter()
            .flat_map(|node| router::silent_host(node, topology)),
    );
    for node in &nodes {
        steps.extend(nodes::addresses(node));
    }
    if let Some(relay) = &topology.relay {
        let machines = nodes.iter();
        steps.extend(machines.filter_map(|node| relay::user_mode(relay, node)));
        steps.extend(nodes::address(&relay.netns, &relay.device));
        steps.push(relay::process(relay, directory));
        steps.push(relay::obstacle(topology));
    }
    for node in &nodes {
        steps.push(tailnet::process(topology, node, Start::Quiet, directory));
    }
    for node in &nodes {
        steps.extend(tailnet::device(node));
        steps.extend(tailnet::rules(node));
        steps.extend(tailnet::routes(node, &nodes));
        steps.extend(flannel::devices(node));
        steps.extend(pods::bridge(node));
        for pod in &node.pods {
            steps.extend(pods::port(node, pod));
        }
        steps.extend(flannel::remotes(node, &nodes));
        steps.extend(flannel::masquerade(node));
        steps.extend(services::rules(node, &topology.services));
        for pod in &node.pods {
            steps.extend(pods::inside(node, pod));
        }
    }
    steps
}

/// Name of the process behind tailscale0.
pub(crate) fn tunnel_process(node: &Node) -> String {
    tailnet::process_name(node)
}

/// Where a node sends what is for the pods of a peer: one entry of its forwarding database.
pub(crate) fn forwarding(node: &Node, peer: &Node, vtep: IpAddr) -> Option<Step> {
    flannel::forwarding(node, peer, vtep)
}

/// What makes one more pod on a node that is up.
pub(crate) fn pod(node: &Node, pod: &Pod) -> Vec<Step> {
    let mut steps = vec![Step::Namespace(pod.netns.clone())];
    steps.extend(pods::port(node, pod));
    steps.extend(pods::inside(node, pod));
    steps
}

/// What makes a device of a node again that was removed: flannel.1 or tailscale0, with its entries.
pub(crate) fn again(topology: &Topology, node: &Node, device: &str, directory: &Path) -> Vec<Step> {
    let mut steps = match device {
        VXLAN | VXLAN_SIX => flannel::device_named(node, device),
        TUNNEL => {
            let mut steps = vec![tailnet::process(topology, node, Start::Greeting, directory)];
            steps.extend(tailnet::device(node));
            steps
        }
        _ => Vec::new(),
    };
    steps.extend(entries(topology, node, device));
    steps
}

/// What the owner of a device writes again once it has been down: addresses outlive that, neighbours
/// and routes do not.
pub(crate) fn entries(topology: &Topology, node: &Node, device: &str) -> Vec<Step> {
    let nodes: Vec<&Node> = topology.nodes.iter().collect();
    match device {
        VXLAN | VXLAN_SIX => flannel::remotes_by(node, &nodes, device),
        TUNNEL => tailnet::routes(node, &nodes),
        other => {
            let devices = node.devices.iter().filter(|own| own.name == other);
            devices
                .flat_map(|own| nodes::default_routes(&node.netns, own))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests;
