//! A node gets another address, and the old one another owner. What the node's programs make of it is
//! their own affair.

use std::net::Ipv4Addr;

use super::RealLab;
use super::plan::{INET, Node, Segment, Wire};
use crate::lab::LabError;

impl RealLab {
    /// Gives a device of a node another address of its segment, as DHCP does after a lease has ended:
    /// the old address goes, with its routes.
    pub fn readdress(&self, node: &Node, wire: &Wire, address: Ipv4Addr) -> Result<(), LabError> {
        let Wire {
            device,
            address: former,
            gateway,
            metric,
            ..
        } = wire;
        self.ip(
            &node.name,
            &[
                &format!("addr del {former}/24 dev {device}"),
                &format!("addr add {address}/24 brd + dev {device}"),
                &format!("route add default via {gateway} dev {device} metric {metric}"),
            ],
        )
    }

    /// Gives an address to a host on a switch that answers ARP, and drops VXLAN without a word; the
    /// others learn its hardware address.
    pub fn add_silent_host(&self, segment: &Segment, address: Ipv4Addr) -> Result<(), LabError> {
        let line = format!("addr add {address}/24 brd + dev {}", segment.name);
        self.ip(INET, &[&line])?;
        let rule = format!(
            "table ip silent {{
  chain in {{ type filter hook input priority filter; ip daddr {address} udp dport 8472 drop; }}
}}"
        );
        self.nft(INET, &rule)?;
        // What the announcement of a new host does.
        self.on_every_node(|node| self.ip(&node.name, &[&format!("neigh flush to {address}")]))
    }
}
