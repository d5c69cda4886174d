//! The chain from a remote pod to its VTEP, each link asked of the kernel: route, next hop,
//! neighbour, forwarding entry, route of the VTEP.

use std::net::IpAddr;

use super::Routing;
use super::neighbour::Mac;
use super::question::{RouteAnswer, RouteQuestion};
use crate::interfaces::{Device, IfIndex, NetlinkError};

/// The configured way of a packet into a VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayRoad {
    /// The VXLAN device.
    pub device: IfIndex,
    /// The route that leads into it.
    pub inner: RouteAnswer,
    /// The next hop inside the overlay.
    pub next_hop: IpAddr,
    /// Where the chain ends.
    pub end: OverlayEnd,
}

/// Where the chain from a pod to its VTEP ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlayEnd {
    /// No MAC is known for the next hop.
    NoNeighbour,
    /// No forwarding entry is there for the next hop's MAC: the kernel drops the packet.
    NoForwarding {
        /// The next hop's MAC.
        mac: Mac,
    },
    /// The whole chain.
    Vtep {
        /// The next hop's MAC.
        mac: Mac,
        /// Destination of the outer packet.
        address: IpAddr,
        /// Where the outer packet goes.
        outer: RouteAnswer,
    },
}

impl OverlayRoad {
    /// Destination of the outer packet, if the chain is whole.
    #[must_use]
    pub fn vtep(&self) -> Option<IpAddr> {
        match self.end {
            OverlayEnd::Vtep { address, .. } => Some(address),
            OverlayEnd::NoNeighbour | OverlayEnd::NoForwarding { .. } => None,
        }
    }
}

impl Routing {
    /// Follows the chain for a packet to a pod; `None` if it does not enter a VXLAN device.
    ///
    /// The outer packet is asked for as the VXLAN driver asks: with the device's `local` address
    /// as source, the mark of the inner packet, and the device of the forwarding entry.
    pub fn overlay_road(
        &mut self,
        question: RouteQuestion,
        devices: &[Device],
    ) -> Result<Option<OverlayRoad>, NetlinkError> {
        let inner = self.route(question)?;
        let overlay = devices
            .iter()
            .find(|device| Some(device.ifindex) == inner.device)
            .and_then(|device| Some((device.ifindex, device.vxlan()?)));
        let Some((device, vxlan)) = overlay else {
            return Ok(None);
        };
        let next_hop = inner.gateway.unwrap_or(question.destination);
        let mut road = OverlayRoad {
            device,
            inner,
            next_hop,
            end: OverlayEnd::NoNeighbour,
        };
        let neighbour = self.neighbour(device, next_hop)?;
        let Some(mac) = neighbour.and_then(|neighbour| neighbour.mac) else {
            return Ok(Some(road));
        };
        road.end = match self.fdb_entry(device, mac)? {
            None => OverlayEnd::NoForwarding { mac },
            Some(entry) => OverlayEnd::Vtep {
                mac,
                address: entry.vtep,
                outer: self.route(RouteQuestion {
                    source: vxlan.local,
                    output: entry.output,
                    mark: question.mark,
                    ..RouteQuestion::to(entry.vtep)
                })?,
            },
        };
        Ok(Some(road))
    }
}
