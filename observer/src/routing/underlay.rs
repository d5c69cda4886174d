//! Which devices are underlays by the routing tables, and what kind of network lies under an outer
//! packet.

use std::net::IpAddr;

use serde::Deserialize;

use super::question::{RouteAnswer, RouteKind, RouteQuestion};
use super::table::MAIN_TABLE;
use super::{BYPASS_MARK, Routing};
use crate::interfaces::{Device, NamePattern, NetlinkError, Prefix, WantedUnderlays};
use crate::path::UnderlayKind;

/// Settings: what belongs to a virtual network of one host's virtual machines.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnderlayRules {
    /// Devices of such a network.
    pub vmnet_devices: Vec<NamePattern>,
    /// Addresses of such a network.
    pub vmnet_networks: Vec<Prefix>,
    /// Addresses that a virtual machine has in a user-mode network of its own.
    pub user_mode_addresses: Vec<Prefix>,
}

impl Default for UnderlayRules {
    /// Lima's devices, the network of `socket_vmnet` in shared mode, and the address of every guest in
    /// the user-mode network (lima: pkg/networks/const.go).
    fn default() -> Self {
        Self {
            vmnet_devices: "lima*".parse().into_iter().collect(),
            vmnet_networks: "192.168.105.0/24".parse().into_iter().collect(),
            user_mode_addresses: "192.168.5.15/32".parse().into_iter().collect(),
        }
    }
}

impl UnderlayRules {
    /// True if a device belongs to a network that virtual machines of one host share.
    #[must_use]
    pub fn is_vmnet(&self, device: &Device) -> bool {
        let by_name = self.vmnet_devices.iter();
        let mut by_address = self.vmnet_networks.iter();
        by_name
            .into_iter()
            .any(|pattern| pattern.matches(&device.name))
            || by_address.any(|network| {
                let mut own = device.addresses.iter();
                own.any(|own| network.contains(own.address()))
            })
    }

    /// The address by which a device belongs to a user-mode network.
    #[must_use]
    pub fn user_mode_address(&self, device: &Device) -> Option<IpAddr> {
        let own = device.addresses.iter().map(|own| own.address());
        let mut known = own.filter(|&own| {
            let mut rules = self.user_mode_addresses.iter();
            rules.any(|rule| rule.contains(own))
        });
        known.next()
    }
}

/// The kind of network under an outer packet to `destination`, which the kernel would send as
/// `answer` says, by the device named `device`. `None` if it would not leave this host.
#[must_use]
pub fn underlay_kind(
    answer: &RouteAnswer,
    device: &str,
    destination: IpAddr,
    rules: &UnderlayRules,
) -> Option<UnderlayKind> {
    if answer.kind != RouteKind::Unicast {
        return None;
    }
    let is_vmnet = rules
        .vmnet_devices
        .iter()
        .any(|pattern| pattern.matches(device))
        || rules
            .vmnet_networks
            .iter()
            .any(|network| network.contains(destination));
    Some(if is_vmnet {
        UnderlayKind::Vmnet
    } else if answer.is_on_link() {
        UnderlayKind::Lan
    } else {
        UnderlayKind::Wan
    })
}

impl Routing {
    /// What the tables say about underlays: the devices through which the VTEPs of all VXLAN
    /// devices and `tailnet_endpoints` are routed, and those of the main table's default routes.
    pub fn wanted_underlays(
        &mut self,
        devices: &[Device],
        tailnet_endpoints: &[IpAddr],
    ) -> Result<WantedUnderlays, NetlinkError> {
        let mut questions: Vec<_> = tailnet_endpoints
            .iter()
            .map(|endpoint| RouteQuestion {
                mark: BYPASS_MARK,
                ..RouteQuestion::to(*endpoint)
            })
            .collect();
        for device in devices {
            let Some(vxlan) = device.vxlan() else {
                continue;
            };
            questions.extend(
                self.fdb(device.ifindex)?
                    .into_iter()
                    .map(|entry| RouteQuestion {
                        source: vxlan.local,
                        output: entry.output,
                        ..RouteQuestion::to(entry.vtep)
                    }),
            );
        }
        let mut wanted = WantedUnderlays::default();
        for question in questions {
            let answer = self.route(question)?;
            let leaves = answer.kind == RouteKind::Unicast;
            wanted.routed.extend(answer.device.filter(|_| leaves));
        }
        let defaults = self.routes(MAIN_TABLE)?;
        let defaults = defaults
            .iter()
            .filter(|route| route.destination.length() == 0);
        wanted.default_routes = defaults.filter_map(|route| route.device).collect();
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::IfIndex;

    fn kind_of(kind: RouteKind, gateway: Option<&str>, device: &str) -> Option<UnderlayKind> {
        towards("203.0.113.7", kind, gateway, device)
    }

    fn towards(
        destination: &str,
        kind: RouteKind,
        gateway: Option<&str>,
        device: &str,
    ) -> Option<UnderlayKind> {
        let answer = RouteAnswer {
            kind,
            device: Some(IfIndex(2)),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            source: None,
            table: None,
            mtu: None,
        };
        let destination = destination.parse().unwrap();
        underlay_kind(&answer, device, destination, &UnderlayRules::default())
    }

    #[test]
    fn a_neighbour_is_lan_and_what_lies_behind_a_gateway_is_wan() {
        let lan = kind_of(RouteKind::Unicast, None, "eth0");
        assert_eq!(lan, Some(UnderlayKind::Lan));
        let wan = kind_of(RouteKind::Unicast, Some("192.168.1.1"), "eth0");
        assert_eq!(wan, Some(UnderlayKind::Wan));
    }

    #[test]
    fn limas_device_or_network_is_vmnet() {
        let by_name = kind_of(RouteKind::Unicast, None, "lima0");
        assert_eq!(by_name, Some(UnderlayKind::Vmnet));
        let by_address = towards("192.168.105.3", RouteKind::Unicast, None, "eth1");
        assert_eq!(by_address, Some(UnderlayKind::Vmnet));
    }

    #[test]
    fn what_stays_here_or_is_refused_has_no_underlay() {
        for kind in [RouteKind::Local, RouteKind::Unreachable, RouteKind::NoRoute] {
            assert_eq!(kind_of(kind, None, "lima0"), None, "{kind:?}");
        }
    }

    #[test]
    fn the_defaults_are_not_empty() {
        let rules = UnderlayRules::default();
        assert_eq!(
            (
                rules.vmnet_devices.len(),
                rules.vmnet_networks.len(),
                rules.user_mode_addresses.len()
            ),
            (1, 1, 1)
        );
    }
}
