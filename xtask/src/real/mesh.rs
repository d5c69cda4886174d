//! What scenarios wait for before they count as settled: how machines of the tailnet reach each
//! other, and which road a packet takes. It asks; it changes nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::RealLab;
use super::await_true::await_true;
use super::machine::await_answer;
use super::plan::Node;
use super::status::Peer;
use super::tailscaled::{Reach, await_status};
use crate::lab::LabError;

/// Patience with a route of the node's own tables.
const PATIENCE: Duration = Duration::from_secs(30);

impl RealLab {
    /// Waits until every node reaches every other this way over the tailnet.
    pub fn await_mesh(&self, reach: Reach) -> Result<(), LabError> {
        self.await_peers(&format!("{reach:?}"), |_, peer| peer.reach() == Some(reach))
    }

    /// Waits until every node reaches every other at an address that fits the other.
    pub fn await_endpoints(
        &self,
        what: &str,
        fits: impl Fn(&Node, Ipv4Addr) -> bool + Sync,
    ) -> Result<(), LabError> {
        self.await_peers(what, |other, peer| {
            peer.endpoint().is_some_and(|address| fits(other, address))
        })
    }

    /// Waits until a packet to an address leaves a place by this device.
    pub fn await_road(&self, place: &str, to: Ipv4Addr, device: &str) -> Result<(), LabError> {
        let what = format!("the road of {place} to {to} to be {device}");
        await_true(&what, PATIENCE, || {
            let argv = ["ip", "-4", "route", "get", &to.to_string()];
            // No route at all is an error of the command.
            let answer = self.output(place, &argv).unwrap_or_default();
            let words: Vec<&str> = answer.split_whitespace().collect();
            Ok(words.windows(2).any(|pair| pair == ["dev", device]))
        })
    }

    /// Waits until every node's pods go to every other's by this device.
    pub fn await_pod_roads(&self, device: &str) -> Result<(), LabError> {
        self.on_every_node(|node| {
            let mut others = node.others(self.plan());
            others.try_for_each(|other| {
                let (_, address) = self.pod_of(other)?;
                self.await_road(&node.name, address, device)
            })
        })
    }

    /// Waits for a device of a node that a daemon makes when it thinks fit.
    pub fn await_link(&self, node: &Node, device: &str) -> Result<(), LabError> {
        let what = format!("{device} of {}", node.name);
        await_true(&what, PATIENCE, || self.has_device(&node.name, device))
    }

    /// Waits until every node has a route to the pods of every other by flannel.1.
    pub fn await_overlay(&self) -> Result<(), LabError> {
        self.on_every_node(|node| {
            let routes: Vec<String> = node.others(self.plan()).map(Node::pod_cidr).collect();
            let filter = ["table", "main", "dev", "flannel.1"];
            self.await_routes(node, &filter, &routes)
        })
    }

    /// Waits until the first pods of all nodes answer each other.
    pub fn await_everyone(&self) -> Result<(), LabError> {
        self.on_every_node(|node| {
            let (pod, _) = self.pod_of(node)?;
            node.others(self.plan())
                .try_for_each(|other| await_answer(&pod, self.pod_of(other)?.1))
        })
    }

    /// Waits until a node has these routes where this filter of `ip route show` looks.
    pub(super) fn await_routes(
        &self,
        node: &Node,
        filter: &[&str],
        routes: &[String],
    ) -> Result<(), LabError> {
        let what = format!("routes of {} in {}", node.name, filter.join(" "));
        await_true(&what, PATIENCE, || {
            let argv = [&["ip", "-4", "route", "show"], filter].concat();
            let table = self.output(&node.name, &argv)?;
            let has = |route: &String| table.lines().any(|line| line.starts_with(route.as_str()));
            Ok(routes.iter().all(has))
        })
    }

    fn await_peers(
        &self,
        what: &str,
        is_so: impl Fn(&Node, &Peer) -> bool + Sync,
    ) -> Result<(), LabError> {
        self.on_every_node(|node| {
            let mut others = node.others(self.plan());
            others.try_for_each(|other| {
                let is_so = |peer: &Peer| is_so(other, peer);
                await_status(self, &node.name, &other.name, what, is_so)
            })
        })
    }
}
