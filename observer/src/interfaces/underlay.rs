//! Which devices are the underlays: at most three, and one that has a point keeps it. Pure.

use std::collections::BTreeSet;

use super::device::{Device, IfIndex, Kind};
use super::roles::{Attachment, NotAttached, Reason, Roles, UNDERLAY_POINTS, UNDERLAYS};
use super::rules::{Rules, any_matches};

/// What the routing tables say about underlays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedUnderlays {
    /// Devices that a VTEP or a tailnet endpoint is routed through.
    pub routed: BTreeSet<IfIndex>,
    /// Devices that carry a default route.
    pub default_routes: BTreeSet<IfIndex>,
}

/// How much a device is wanted as an underlay, most wanted first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Routed,
    DefaultRoute,
    Address,
}

/// Gives the underlay points to `free` devices, which are those that play no other role.
///
/// A device that had a point in `previous` keeps it as long as a device of its name exists. The one
/// exception: when no point is left, a device that outer packets are routed through takes the
/// highest point whose holder they are not routed through.
pub(super) fn assign_underlays(
    free: &[&Device],
    rules: &Rules,
    wanted: &WantedUnderlays,
    previous: &Roles,
) -> Roles {
    let mut roles = Roles::default();
    let mut points: [Option<&Device>; UNDERLAYS] = UNDERLAY_POINTS.map(|point| {
        let name = &previous.at(point).next()?.name;
        let holder = free.iter().find(|device| device.name == *name);
        holder.copied().filter(|device| device.link_layer)
    });
    for newcomer in newcomers(free, rules, wanted, &points) {
        if !newcomer.link_layer {
            let blind = NotAttached::new(newcomer, Reason::NoLinkLayer);
            roles.not_attached.push(blind);
            continue;
        }
        let is_routed = |device: &Device| wanted.routed.contains(&device.ifindex);
        let mut place = points.iter().position(Option::is_none);
        if place.is_none() && is_routed(newcomer) {
            place = points
                .iter()
                .rposition(|holder| !holder.is_some_and(is_routed));
        }
        let loser = match place.and_then(|place| points.get_mut(place)) {
            Some(point) => point.replace(newcomer),
            None => Some(newcomer),
        };
        let still_wanted = loser.filter(|device| rank(device, rules, wanted).is_some());
        roles
            .not_attached
            .extend(still_wanted.map(|device| NotAttached::new(device, Reason::UnderlaysTaken)));
    }
    let held = UNDERLAY_POINTS.into_iter().zip(points);
    roles.attachments = held
        .filter_map(|(point, holder)| Some(Attachment::new(holder?, point)))
        .collect();
    roles
}

/// The devices that want a point and have none, most wanted first.
fn newcomers<'a>(
    free: &[&'a Device],
    rules: &Rules,
    wanted: &WantedUnderlays,
    points: &[Option<&Device>; UNDERLAYS],
) -> Vec<&'a Device> {
    let has_point = |device: &Device| {
        let mut holders = points.iter().flatten();
        holders.any(|holder| holder.ifindex == device.ifindex)
    };
    let mut ranked: Vec<_> = free
        .iter()
        .filter(|device| !has_point(device))
        .filter_map(|device| Some((rank(device, rules, wanted)?, device.ifindex, *device)))
        .collect();
    ranked.sort_by_key(|&(rank, ifindex, _)| (rank, ifindex));
    ranked.into_iter().map(|(_, _, device)| device).collect()
}

fn rank(device: &Device, rules: &Rules, wanted: &WantedUnderlays) -> Option<Rank> {
    if device.kind == Kind::Loopback {
        None
    } else if wanted.routed.contains(&device.ifindex) {
        Some(Rank::Routed)
    } else if !device.up || !any_matches(&rules.underlay, &device.name) {
        None
    } else if wanted.default_routes.contains(&device.ifindex) {
        Some(Rank::DefaultRoute)
    } else {
        device.has_address().then_some(Rank::Address)
    }
}
