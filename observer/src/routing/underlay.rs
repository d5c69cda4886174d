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
}

impl Default for UnderlayRules {
    /// Lima's devices and the network of `socket_vmnet` in shared mode.
    fn default() -> Self {
        Self {
            vmnet_devices: "lima*".parse().into_iter().collect(),
            vmnet_networks: "192.168.105.0/24".parse().into_iter().collect(),
        }
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
