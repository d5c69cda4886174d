//! The nodes themselves: kernel settings, wires and underlay addresses.

use super::{Script, Step};
use crate::lab::topology::{Node, WIRE_MTU};

/// Settings of a Kubernetes node and one veth per underlay device.
pub(super) fn wires(node: &Node, router: &str) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    // Before any device is made: `default` is copied at creation.
    script.sysctl("net.ipv4.conf.all.rp_filter", "0");
    script.sysctl("net.ipv4.conf.default.rp_filter", "0");
    script.sysctl("net.ipv4.ip_forward", "1");
    script.sysctl("net.bridge.bridge-nf-call-iptables", "1");
    script.ip("link set lo up");
    for device in &node.devices {
        script.ip(format!(
            "link add {} address {} mtu {WIRE_MTU} type veth peer name {} netns {router}",
            device.name, device.mac, device.router_port
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
        if let Some((gateway, metric)) = device.default_route {
            script.ip(format!(
                "route add default via {gateway} dev {name} metric {metric}"
            ));
        }
    }
    script.steps
}
