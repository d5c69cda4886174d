//! The nodes themselves: kernel settings, wires and underlay addresses.

use super::{Script, Step};
use crate::lab::bridge_netfilter::CALL_IPTABLES;
use crate::lab::topology::{Device, Node, Topology, WIRE_MTU};

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

/// Address and default route of one device.
pub(super) fn address(netns: &str, device: &Device) -> Vec<Step> {
    let mut script = Script::new(netns);
    let name = &device.name;
    script.ip(format!(
        "addr add {}/{} brd + dev {name}",
        device.address, device.prefix
    ));
    script.ip(format!("link set {name} up"));
    script.steps.extend(default_route(netns, device));
    script.steps
}

/// The default route through an underlay device, if it has one.
pub(super) fn default_route(netns: &str, device: &Device) -> Option<Step> {
    let (gateway, metric) = device.default_route?;
    let name = &device.name;
    Some(Step::Ip {
        netns: netns.to_owned(),
        line: format!("route replace default via {gateway} dev {name} metric {metric}"),
    })
}
