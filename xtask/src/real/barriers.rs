//! What scenarios keep apart: rules that drop datagrams, in the router and on nodes, each in a table
//! of the lab's own. Only UDP is ever cut, so relays over TCP, control and pings stay.

use super::RealLab;
use super::flannel::NETWORK;
use super::plan::{INET, Node};
use crate::lab::LabError;

impl RealLab {
    /// Makes the router drop UDP between these nodes; its own servers (STUN) still answer.
    pub fn cut_udp(&self, nodes: &[&Node]) -> Result<(), LabError> {
        let wires = nodes.iter().flat_map(|node| &node.wires);
        let addresses: Vec<String> = wires.map(|wire| wire.seen_as().to_string()).collect();
        let set = addresses.join(", ");
        let rule = format!(
            "add table ip apart; delete table ip apart; table ip apart {{
  chain between {{
    type filter hook forward priority 0; policy accept;
    ip saddr {{ {set} }} ip daddr {{ {set} }} meta l4proto udp counter drop
  }}
}}"
        );
        self.nft(INET, &rule)
    }

    /// Lets UDP pass again.
    pub fn restore_udp(&self) -> Result<(), LabError> {
        self.nft(INET, "add table ip apart; delete table ip apart")
    }

    /// Keeps UDP of a node's pods inside the pod network, STUN apart: tunnels of pods then meet at
    /// pods' addresses, not at those that the node masquerades them with.
    pub fn keep_pod_udp_inside(&self, node: &Node) -> Result<(), LabError> {
        let rule = format!(
            "add table ip inside; delete table ip inside; table ip inside {{
  chain out {{
    type filter hook forward priority -10; policy accept;
    ip saddr {NETWORK} ip daddr != {NETWORK} udp dport != 3478 counter drop
  }}
}}"
        );
        self.nft(&node.name, &rule)
    }
}
