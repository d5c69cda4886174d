//! Kinds of underlays by the node's routes; where those are not known, by the addresses of its devices:
//! a peer in a device's own prefix is its neighbour. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use observer_ebpf::abi::point::Point;

use super::roads;
use crate::interfaces::{self, Prefix};
use crate::path::{Devices, UnderlayKind};
use crate::record::Routes;
use crate::routing::{RouteAnswer, RouteKind, TableRoute, UnderlayRules, underlay_kind};
use crate::sweep::OuterFlows;

/// Kind of underlay per (point, peer).
pub(super) fn underlays(
    outer: &OuterFlows,
    points: &Devices,
    (devices, routes): (&[interfaces::Device], &Routes),
    rules: &UnderlayRules,
) -> HashMap<(Point, IpAddr), UnderlayKind> {
    let peers = outer.all_peers().filter(|(point, _)| point.is_underlay());
    let kind = |(point, peer): (Point, IpAddr)| {
        let name = &points.first(point)?.name;
        let device = devices.iter().find(|device| device.name == *name)?;
        if let Some(route) = roads::route(routes, peer) {
            let kind = underlay_kind(&answer(route), name, peer, rules)?;
            return Some(((point, peer), kind));
        }
        let is_neighbour = device.addresses.iter().any(|own| own.contains(peer));
        let answer = answer(&TableRoute {
            destination: Prefix::host(peer),
            kind: RouteKind::Unicast,
            device: Some(device.ifindex),
            // Which router it is makes no difference to the kind.
            gateway: (!is_neighbour).then_some(peer),
            metric: 0,
        });
        let kind = underlay_kind(&answer, name, peer, rules)?;
        Some(((point, peer), kind))
    };
    peers.filter_map(kind).collect()
}

fn answer(route: &TableRoute) -> RouteAnswer {
    RouteAnswer {
        kind: route.kind,
        device: route.device,
        gateway: route.gateway,
        source: None,
        table: None,
        mtu: None,
    }
}
