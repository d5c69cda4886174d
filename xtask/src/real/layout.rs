//! What a scenario's network looks like before roles and addresses are dealt: segments, and nodes
//! with their wires. Pure.

use serde::Serialize;

/// A network without addresses.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Name and kind of each segment.
    pub segments: Vec<(&'static str, Medium)>,
    /// The nodes, in any order: which becomes `n1` is dealt.
    pub nodes: Vec<NodeSketch>,
}

/// How a segment is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// A switch of neighbours, with a dealt network.
    Lan,
    /// Lima's shared network: a switch with 192.168.105.0/24.
    Vmnet,
    /// One wire of one node to the router.
    Routed,
    /// Lima's user-mode network: the node has 192.168.5.15, as every other, behind a gateway of its
    /// own that translates addresses.
    UserMode,
}

/// A node before names and addresses are dealt.
#[derive(Debug, Clone)]
pub struct NodeSketch {
    /// The part it plays.
    pub role: &'static str,
    /// Its wires.
    pub wires: Vec<WireSketch>,
    /// How many pods it has.
    pub pods: usize,
}

/// A wire of a sketched node.
#[derive(Debug, Clone, Copy)]
pub struct WireSketch {
    /// `eth0` or `lima0`.
    pub device: &'static str,
    /// The segment it leads to.
    pub segment: &'static str,
    /// Metric of the default route through it.
    pub metric: u32,
    /// One-way delay in milliseconds, held by a delay box.
    pub delay_ms: Option<u64>,
    /// Whether it is there from the start.
    pub plugged: Plugged,
}

/// When a wire is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plugged {
    /// With the node.
    AtOnce,
    /// When a scenario asks for it.
    Later,
}

/// Names of the routed or user-mode segments of up to four nodes.
const SITES: [&str; 4] = ["site1", "site2", "site3", "site4"];

impl NodeSketch {
    /// A node with one pod and one wire, eth0.
    fn on(role: &'static str, segment: &'static str) -> Self {
        Self {
            role,
            wires: vec![WireSketch {
                device: "eth0",
                segment,
                metric: 100,
                delay_ms: None,
                plugged: Plugged::AtOnce,
            }],
            pods: 1,
        }
    }
}

impl Layout {
    /// Nodes of these roles as neighbours on one LAN, by eth0.
    #[must_use]
    pub fn lan(roles: &[&'static str]) -> Self {
        let nodes = roles.iter().map(|role| NodeSketch::on(role, "lan"));
        Self {
            segments: vec![("lan", Medium::Lan)],
            nodes: nodes.collect(),
        }
    }

    /// Nodes of these roles (at most four), each behind the router, by eth0.
    #[must_use]
    pub fn sites(roles: &[&'static str]) -> Self {
        Self::apart(roles, Medium::Routed)
    }

    /// Lima machines that share nothing: each with eth0 in a user-mode network of its own.
    #[must_use]
    pub fn user_mode(roles: &[&'static str]) -> Self {
        Self::apart(roles, Medium::UserMode)
    }

    /// Lima machines on one host: eth0 in a user-mode network, lima0 on the shared one, preferred.
    #[must_use]
    pub fn vmnet(roles: &[&'static str]) -> Self {
        let mut layout = Self::user_mode(roles);
        layout.segments.push(("vmnet", Medium::Vmnet));
        for node in &mut layout.nodes {
            for wire in &mut node.wires {
                wire.metric = 200;
            }
            node.wires.push(WireSketch {
                device: "lima0",
                segment: "vmnet",
                metric: 100,
                delay_ms: None,
                plugged: Plugged::AtOnce,
            });
        }
        layout
    }

    /// The same with one more node behind the router.
    #[must_use]
    pub fn with_remote(mut self, role: &'static str) -> Self {
        self.segments.push(("remote", Medium::Routed));
        self.nodes.push(NodeSketch::on(role, "remote"));
        self
    }

    /// The same with so many pods on every node.
    #[must_use]
    pub fn with_pods(mut self, pods: usize) -> Self {
        for node in &mut self.nodes {
            node.pods = pods;
        }
        self
    }

    /// The same with a delay box in the eth0 of the nodes of a role, holding what passes each way.
    #[must_use]
    pub fn with_delay(mut self, role: &str, milliseconds: u64) -> Self {
        for node in self.nodes.iter_mut().filter(|node| node.role == role) {
            for wire in &mut node.wires {
                wire.delay_ms = Some(milliseconds);
            }
        }
        self
    }

    /// The same with all wires of this device left to be plugged in later.
    #[must_use]
    pub fn unplugged(mut self, device: &str) -> Self {
        let wires = self.nodes.iter_mut().flat_map(|node| &mut node.wires);
        for wire in wires.filter(|wire| wire.device == device) {
            wire.plugged = Plugged::Later;
        }
        self
    }

    fn apart(roles: &[&'static str], medium: Medium) -> Self {
        let placed = || roles.iter().zip(SITES);
        Self {
            segments: placed().map(|(_, site)| (site, medium)).collect(),
            nodes: placed()
                .map(|(role, site)| NodeSketch::on(role, site))
                .collect(),
        }
    }
}
