//! What an observer has to say about a lab: class and encapsulation of every pair of pods.
//! Derived from the roads alone; nothing is observed here.

use serde::Serialize;

use super::{Family, Mode, Node, Pod, Reach, TUNNEL, Topology};

/// What an observer has to say about an ordered pair of pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpectedPath {
    /// Name of the sending pod.
    pub from: String,
    /// Name of the receiving pod.
    pub to: String,
    /// The family of the addresses that they use.
    pub family: Family,
    /// Class, from the closed set.
    pub class: &'static str,
    /// Encapsulation stack, outer first; `none` within a node.
    pub encap: &'static str,
    /// Devices of the sending node in the order in which a packet leaves by them.
    pub devices: Vec<String>,
    /// The longest packet that no device refuses.
    pub mtu: u32,
    /// Whether answers come.
    pub outcome: Outcome,
    /// How WireGuard goes; none where it has no part.
    pub mode: Option<Mode>,
    /// Whether the WireGuard endpoint is a neighbour; none where WireGuard has no part.
    pub endpoint_on_link: Option<bool>,
}

/// What becomes of what a pod sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is answered.
    Reply,
    /// It leaves, and nothing comes back.
    NoReply,
}

impl Topology {
    /// What an observer has to say about every ordered pair of pods, in each of their families.
    #[must_use]
    pub fn expected(&self) -> Vec<ExpectedPath> {
        let mut paths = Vec::new();
        for &family in self.families() {
            for from in &self.nodes {
                for to in &self.nodes {
                    for pods in pairs(&from.pods, &to.pods) {
                        paths.push(expect([from, to], pods, family));
                    }
                }
            }
        }
        paths
    }
}

/// All pairs of different pods.
fn pairs<'a>(from: &'a [Pod], to: &'a [Pod]) -> impl Iterator<Item = (&'a Pod, &'a Pod)> {
    let pairs = from
        .iter()
        .flat_map(move |source| to.iter().map(move |target| (source, target)));
    pairs.filter(|(source, target)| source.name != target.name)
}

/// The expectation for one pair, from the road between their nodes.
fn expect([from, to]: [&Node; 2], pods: (&Pod, &Pod), family: Family) -> ExpectedPath {
    let path = |class, encap, devices: &[&str], endpoint_on_link| ExpectedPath {
        from: pods.0.name.clone(),
        to: pods.1.name.clone(),
        family,
        class,
        encap,
        devices: devices.iter().map(|&device| device.to_owned()).collect(),
        mtu: from.pod_mtu,
        outcome: outcome(from, to),
        mode: None,
        endpoint_on_link,
    };
    let Some(road) = from.road(&to.name) else {
        return path("same-node", "none", &[], None);
    };
    let wire = road.endpoint_device.as_str();
    let overlay = family.overlay();
    let on_link = Some(road.endpoint_on_link);
    let tunnelled = |class, encap, devices: &[&str], mtu| ExpectedPath {
        mode: Some(road.mode),
        mtu,
        ..path(class, encap, devices, on_link)
    };
    match (to.reach, road.vtep_device.as_str()) {
        (Reach::SubnetRoute, _) => {
            let class = match road.mode {
                Mode::Direct => "tailscale-subnet-direct",
                Mode::Derp => "tailscale-subnet-derp",
                Mode::PeerRelay => "tailscale-subnet-peer-relay",
            };
            let mtu = from.pod_mtu.min(from.tunnel_mtu);
            tunnelled(class, "wireguard", &[TUNNEL, wire], mtu)
        }
        (Reach::Overlay, TUNNEL) => {
            let class = match road.mode {
                Mode::Direct => "vxlan-tailscale-direct",
                Mode::Derp => "vxlan-tailscale-derp",
                Mode::PeerRelay => "vxlan-tailscale-peer-relay",
            };
            let mtu = from.overlay_mtu(family);
            tunnelled(class, "wireguard>vxlan", &[overlay, TUNNEL, wire], mtu)
        }
        (Reach::Overlay, device) => {
            let class = match (device.starts_with("lima"), road.endpoint_on_link) {
                (true, _) => "vxlan-vmnet",
                (false, true) => "vxlan-lan",
                (false, false) => "vxlan-wan",
            };
            ExpectedPath {
                mtu: from.overlay_mtu(family),
                ..path(class, "vxlan", &[overlay, device], None)
            }
        }
    }
}

/// Answers come when both nodes send to where the other one is.
fn outcome(from: &Node, to: &Node) -> Outcome {
    let finds = |node: &Node, peer: &Node| {
        let road = node.road(&peer.name);
        road.is_none_or(|road| peer.address_of(&road.vtep_device) == Some(road.vtep))
    };
    if finds(from, to) && finds(to, from) {
        Outcome::Reply
    } else {
        Outcome::NoReply
    }
}
