//! The node of the routing tests; `netlink_routes.rs` draws it.

use std::net::IpAddr;

use observer::interfaces::{Device, IfIndex, follow};

use crate::world::{ip, run};

/// MAC of the remote node on the local network.
pub(crate) const PEER_MAC: &str = "02:00:00:00:00:02";

/// MAC of the remote node behind the tunnel.
const TAILNET_MAC: &str = "02:00:00:00:00:03";

/// Builds the node in this thread's namespace.
pub(crate) fn build_node() {
    for (device, own) in [("lima0", "192.168.105.2/24"), ("eth0", "192.168.1.2/24")] {
        ip(&format!(
            "link add {device} type veth peer name far-{device}"
        ));
        ip(&format!("address add {own} dev {device}"));
        ip(&format!("link set far-{device} up"));
        ip(&format!("link set {device} up"));
    }
    ip("route add default via 192.168.1.1");
    ip("link add cni0 type bridge");
    ip("link add veth8 type veth peer name pod8");
    ip("link set veth8 master cni0");
    ip("address add 10.42.1.1/24 dev cni0");
    ip("tuntap add tailscale0 mode tun");
    ip("address add 100.64.0.2/32 dev tailscale0");
    ip("link add flannel.1 type vxlan id 1 dev lima0 local 192.168.105.2 dstport 8472 nolearning");
    ip("address add 10.42.1.0/32 dev flannel.1");
    for device in ["pod8", "veth8", "cni0", "tailscale0", "flannel.1"] {
        ip(&format!("link set {device} up"));
    }
    remote("10.42.2.0", PEER_MAC, "192.168.105.3");
    remote("10.42.3.0", TAILNET_MAC, "100.64.0.3");
    ip("route add 10.42.4.0/24 dev tailscale0 table 52");
    ip("route add 100.64.0.3 dev tailscale0 table 52");
    for rule in [
        "5210 lookup main",
        "5230 lookup default",
        "5250 unreachable",
    ] {
        ip(&format!("rule add fwmark 0x80000/0xff0000 priority {rule}"));
    }
    ip("rule add priority 5270 lookup 52");
    ip("route add 10.95.0.0/16 via inet6 fe80::9 dev eth0");
    ip("route add 10.96.0.0/16 via 192.168.1.9 mtu 1400");
    ip("route add unreachable 10.97.0.0/16");
    ip("route add prohibit 10.98.0.0/16");
    ip("route add blackhole 10.99.0.0/16");
    ip("address add fd00:1::2/64 dev eth0 nodad");
    ip("route add fd00:2::/64 via fd00:1::1 dev eth0");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
}

/// What flannel writes for one remote node.
fn remote(network: &str, mac: &str, vtep: &str) {
    ip(&format!(
        "neighbour add {network} lladdr {mac} dev flannel.1 nud permanent"
    ));
    bridge(&format!(
        "fdb append {mac} dev flannel.1 dst {vtep} self permanent"
    ));
    ip(&format!(
        "route add {network}/24 via {network} dev flannel.1 onlink"
    ));
}

/// Runs `bridge` with `words`; it has to succeed.
pub(crate) fn bridge(words: &str) {
    let output = run("bridge", words);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "bridge {words}: {complaint}");
}

/// The devices of this namespace.
pub(crate) fn devices() -> Vec<Device> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let (newest, _follower) = follow().unwrap();
    newest.borrow().devices.clone()
}

/// The number of the device called `name`.
pub(crate) fn number(name: &str) -> IfIndex {
    let found = devices().into_iter().find(|device| device.name == name);
    found.unwrap().ifindex
}

/// Reads an address.
pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
