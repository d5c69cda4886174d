//! cni0 and the pods behind it, as the CNI bridge plugin makes them.

use super::{Script, Step};
use crate::lab::topology::{BRIDGE, Node, Pod};

/// The bridge with address .1.
pub(super) fn bridge(node: &Node) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let mtu = node.pod_mtu;
    // Without a MAC of its own the bridge takes the lowest one of its ports, and changes it as pods
    // come and go. The MTU belongs into the creation: set later, it would count as set by hand and the
    // bridge would never again follow its ports.
    script.ip(format!(
        "link add {BRIDGE} address {} mtu {mtu} type bridge forward_delay 0",
        node.bridge_mac
    ));
    script.ip(format!(
        "addr add {}/24 brd + dev {BRIDGE}",
        node.pod_address(1)
    ));
    if let Some(six) = &node.six {
        script.ip(format!(
            "addr add {}/64 dev {BRIDGE} nodad",
            six.pod_address(1)
        ));
    }
    script.ip(format!("link set {BRIDGE} up"));
    script.steps
}

/// The hairpin port of one pod.
pub(super) fn port(node: &Node, pod: &Pod) -> Vec<Step> {
    let mut script = Script::new(&node.netns);
    let (veth, mtu) = (&pod.host_veth, node.pod_mtu);
    script.ip(format!(
        "link add {veth} mtu {mtu} type veth \
         peer name eth0 address {} mtu {mtu} netns {}",
        pod.mac, pod.netns
    ));
    script.ip(format!("link set {veth} master {BRIDGE} up"));
    script.ip(format!("link set {veth} type bridge_slave hairpin on"));
    script.steps
}

/// Addresses and default routes inside a pod.
pub(super) fn inside(node: &Node, pod: &Pod) -> Vec<Step> {
    let mut script = Script::new(&pod.netns);
    let gateway = node.pod_address(1);
    let six = node.six.as_ref().zip(pod.address_six);
    script.ip("link set lo up");
    script.ip(format!("addr add {}/24 brd + dev eth0", pod.address));
    if let Some((_, address)) = six {
        script.ip(format!("addr add {address}/64 dev eth0 nodad"));
    }
    script.ip("link set eth0 up");
    script.ip(format!("route add default via {gateway} dev eth0"));
    script.ip(format!("route add 10.42.0.0/16 via {gateway} dev eth0"));
    if let Some((six, _)) = six {
        let gateway = six.pod_address(1);
        script.ip(format!("route add default via {gateway} dev eth0"));
    }
    script.steps
}
