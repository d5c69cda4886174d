//! The nodes themselves: kernel settings, wires and underlay addresses.

use std::net::IpAddr;

use super::{Script, Step};
use crate::lab::bridge_netfilter::{CALL_IP6TABLES, CALL_IPTABLES};
use crate::lab::topology::{Device, Node, Topology, WIRE_MTU};

/// Settings of a Kubernetes node and one veth per underlay device.
pub(super) fn wires(node: &Node, topology: &Topology) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    // Before any device is made: `default` is copied at creation.
    script.sysctl("net.ipv4.conf.all.rp_filter", "0");
    script.sysctl("net.ipv4.conf.default.rp_filter", "0");
    script.sysctl("net.ipv4.ip_forward", "1");
    script.sysctl(CALL_IPTABLES, topology.bridge_netfilter.value());
    if node.six.is_some() {
        script.forward_six();
        script.sysctl(CALL_IP6TABLES, topology.bridge_netfilter.value());
    }
    script.ip("link set lo up");
    for device in &node.devices {
        wire(&mut script, device, &topology.router);
    }
    script.steps
}

/// One veth into the router's namespace.
pub(super) fn wire(script: &mut Script<'_>, device: &Device, router: &str) {
    script.ip(format!(
        "link add {} address {} mtu {WIRE_MTU} type veth peer name {} netns {router}",
        device.name, device.mac, device.router_port
    ));
}

/// Underlay addresses and default routes.
pub(super) fn addresses(node: &Node) -> Vec<Step> {
    let devices = node.devices.iter();
    devices
        .flat_map(|device| address(&node.netns, device))
        .collect()
}

/// Addresses and default routes of one device.
pub(super) fn address(netns: &str, device: &Device) -> Vec<Step> {
    let mut script = Script::new(netns);
    let name = &device.name;
    script.ip(format!(
        "addr add {}/{} brd + dev {name}",
        device.address, device.prefix
    ));
    if let Some(address) = device.address_six {
        script.ip(format!("addr add {address}/64 dev {name} nodad"));
    }
    script.ip(format!("link set {name} up"));
    script.steps.extend(default_routes(netns, device));
    script.steps
}

/// The default routes through an underlay device, if it has any.
pub(super) fn default_routes(netns: &str, device: &Device) -> Vec<Step> {
    let mut script = Script::new(netns);
    let name = &device.name;
    let four = device
        .default_route
        .map(|(to, metric)| (IpAddr::from(to), metric));
    let six = device.default_route_six;
    let six = six.map(|(to, metric)| (IpAddr::from(to), metric));
    for (gateway, metric) in four.into_iter().chain(six) {
        script.ip(format!(
            "route replace default via {gateway} dev {name} metric {metric}"
        ));
    }
    script.steps
}
