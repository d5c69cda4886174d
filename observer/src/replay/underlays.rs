//! Kinds of underlays by the addresses of the node's devices alone: a peer in a device's own prefix
//! is its neighbour. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use observer_ebpf::abi::point::Point;

use crate::interfaces;
use crate::path::{Devices, UnderlayKind};
use crate::routing::{RouteAnswer, RouteKind, UnderlayRules, underlay_kind};
use crate::sweep::OuterFlows;

/// Kind of underlay per (point, peer).
pub(super) fn underlays(
    outer: &OuterFlows,
    points: &Devices,
    devices: &[interfaces::Device],
    rules: &UnderlayRules,
) -> HashMap<(Point, IpAddr), UnderlayKind> {
    let peers = outer.all_peers().filter(|(point, _)| point.is_underlay());
    let kind = |(point, peer): (Point, IpAddr)| {
        let name = &points.first(point)?.name;
        let device = devices.iter().find(|device| device.name == *name)?;
        let is_neighbour = device.addresses.iter().any(|own| own.contains(peer));
        let answer = RouteAnswer {
            kind: RouteKind::Unicast,
            device: Some(device.ifindex),
            // Which router it is makes no difference to the kind.
            gateway: (!is_neighbour).then_some(peer),
            source: None,
            table: None,
            mtu: None,
        };
        let kind = underlay_kind(&answer, name, peer, rules)?;
        Some(((point, peer), kind))
    };
    peers.filter_map(kind).collect()
}
