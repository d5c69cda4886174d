//! The nodes themselves: kernel settings, wires and underlay addresses.

use super::{Script, Step};
use crate::lab::bridge_netfilter::CALL_IPTABLES;
use crate::lab::topology::{Node, Topology, WIRE_MTU};

/// Settings of a Kubernetes node and one veth per underlay device.
pub(super) fn wires(node: &Node, topology: &Topology) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    // Before any device is made: `default` is copied at creation.
    script.sysctl("net.ipv4.conf.all.rp_filter", "0");
    script.sysctl("net.ipv4.conf.default.rp_filter", "0");
    script.sysctl("net.ipv4.ip_forward", "1");
    script.sysctl(CALL_IPTABLES, topology.bridge_netfilter.value());
    script.ip("link set lo up");
    for device in &node.devices {
        script.ip(format!(
            "link add {} address {} mtu {WIRE_MTU} type veth peer name {} netns {}",
            device.name, device.mac, device.router_port, topology.router
        ));
    }
    script.steps
}

/// Underlay addresses and default routes.
pub(super) fn addresses(node: &Node) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    for device in &node.devices {
        let name = &device.name;
        script.ip(format!(
            "addr add {}/{} brd + dev {name}",
            device.address, device.prefix
        ));
        script.ip(format!("link set {name} up"));
        script.steps.extend(default_route(node, name));
    }
    script.steps
}

/// The default route through an underlay device, if it has one.
pub(super) fn default_route(node: &Node, device: &str) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let own = node.devices.iter().find(|own| own.name == device);
    if let Some((gateway, metric)) = own.and_then(|own| own.default_route) {
        script.ip(format!(
            "route replace default via {gateway} dev {device} metric {metric}"
        ));
    }
    script.steps
}
