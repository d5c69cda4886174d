//! The role of every device. Pure, deterministic, and stable from one call to the next.

use std::cmp::Reverse;

use observer_ebpf::abi::point::Point;

use super::device::{Device, Kind};
use super::roles::{Attachment, NotAttached, Reason, Roles};
use super::rules::{NamePattern, Rules, any_matches};
use super::underlay::{WantedUnderlays, assign_underlays};

/// Gives each of `devices` its point, or names it as a blind spot, or leaves it alone.
///
/// `previous` is the answer of the call before: underlays keep their point and ports their place
/// under the limit.
#[must_use]
pub fn assign(
    devices: &[Device],
    rules: &Rules,
    wanted: &WantedUnderlays,
    previous: &Roles,
) -> Roles {
    let mut roles = Roles::default();
    let mut ports = Vec::new();
    let mut free = Vec::new();
    for device in devices {
        match role(device, devices, rules) {
            Role::Port => ports.push(device),
            Role::At(point) => roles.attachments.push(Attachment::new(device, point)),
            Role::WrongKind { expected } => {
                let found = device.kind.clone();
                let reason = Reason::WrongKind { expected, found };
                roles.not_attached.push(NotAttached::new(device, reason));
            }
            Role::Free => free.push(device),
        }
    }
    let underlays = assign_underlays(&free, rules, wanted, previous);
    for part in [assign_ports(ports, rules.ports, previous), underlays] {
        roles.attachments.extend(part.attachments);
        roles.not_attached.extend(part.not_attached);
    }
    roles
        .attachments
        .sort_by_key(|attachment| attachment.ifindex);
    roles
        .not_attached
        .sort_by(|left, right| left.device.cmp(&right.device));
    roles
}

enum Role {
    Port,
    At(Point),
    WrongKind { expected: &'static str },
    Free,
}

fn role(device: &Device, devices: &[Device], rules: &Rules) -> Role {
    let named = |patterns: &[NamePattern]| any_matches(patterns, &device.name);
    let (point, fits, expected) = if named(&rules.bridge) {
        (Point::Bridge, device.kind == Kind::Bridge, "bridge")
    } else if named(&rules.flannel_wg) {
        let fits = device.kind == Kind::WireGuard;
        (Point::FlannelWg, fits, "wireguard")
    } else if named(&rules.overlay) {
        (Point::Overlay, device.vxlan().is_some(), "vxlan")
    } else if named(&rules.tunnel) {
        (Point::Tunnel, device.kind == Kind::Tun, "tun")
    } else if is_port(device, devices, rules) {
        return Role::Port;
    } else {
        return Role::Free;
    };
    if fits {
        Role::At(point)
    } else {
        Role::WrongKind { expected }
    }
}

/// True if `device` is a veth whose master is the pod bridge.
fn is_port(device: &Device, devices: &[Device], rules: &Rules) -> bool {
    let is_pod_bridge = |other: &&Device| {
        Some(other.ifindex) == device.master
            && other.kind == Kind::Bridge
            && any_matches(&rules.bridge, &other.name)
    };
    device.kind == Kind::Veth && devices.iter().find(is_pod_bridge).is_some()
}

/// Attaches ports up to `limit`, those that were attached before first, then by number.
fn assign_ports(mut ports: Vec<&Device>, limit: usize, previous: &Roles) -> Roles {
    let was_attached = |device: &Device| {
        previous
            .at(Point::Port)
            .any(|port| port.ifindex == device.ifindex && port.incarnation == device.incarnation)
    };
    ports.sort_by_key(|device| (Reverse(was_attached(device)), device.ifindex));
    let refused = ports.split_off(ports.len().min(limit));
    let reason = Reason::PortLimit { limit };
    Roles {
        attachments: ports
            .into_iter()
            .map(|device| Attachment::new(device, Point::Port))
            .collect(),
        not_attached: refused
            .into_iter()
            .map(|device| NotAttached::new(device, reason.clone()))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
