//! The addresses that nodes have in the pods' networks, by the routes that lead to those networks:
//! tailscaled takes them for endpoints. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::table::TableRoute;
use crate::interfaces::{Device, Kind, Prefix};

/// Addresses of nodes inside `is_pods`. Of this node those of its bridges and VXLAN devices; of the
/// others, for each route to a prefix of pods by a gateway: the gateway itself (flannel's VXLAN device,
/// 10.42.2.0 for 10.42.2.0/24; one outside is no concern), and the prefix's first address, which
/// host-local gives the bridge (CNI plugins: plugins/ipam/host-local, `gateway`).
#[must_use]
pub fn node_addresses(
    devices: &[Device],
    routes: &[TableRoute],
    is_pods: impl Fn(IpAddr) -> bool,
) -> BTreeSet<IpAddr> {
    let carries_pods = |device: &&Device| matches!(device.kind, Kind::Bridge | Kind::Vxlan(_));
    let own = devices.iter().filter(carries_pods);
    let own = own.flat_map(|device| device.addresses.iter().map(|held| held.address()));
    let theirs = routes.iter().filter_map(|route| {
        let gateway = route.gateway?;
        Some([gateway].into_iter().chain(first(route.destination)))
    });
    own.chain(theirs.flatten())
        .filter(|&address| is_pods(address))
        .collect()
}

/// The first address behind a prefix's own; a prefix of one address has none.
fn first(prefix: Prefix) -> Option<IpAddr> {
    let first = match prefix.address() {
        IpAddr::V4(address) => IpAddr::V4(address.to_bits().checked_add(1)?.into()),
        IpAddr::V6(address) => IpAddr::V6(address.to_bits().checked_add(1)?.into()),
    };
    prefix.contains(first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::{IfIndex, Vxlan};
    use crate::routing::RouteKind;

    fn device(name: &str, kind: Kind, address: &str) -> Device {
        Device {
            ifindex: IfIndex(4),
            incarnation: 0,
            name: name.to_owned(),
            kind,
            mtu: 1_450,
            master: None,
            up: true,
            link_layer: true,
            addresses: vec![address.parse().unwrap()],
        }
    }

    fn route(destination: &str, gateway: Option<&str>) -> TableRoute {
        TableRoute {
            destination: destination.parse().unwrap(),
            kind: RouteKind::Unicast,
            device: Some(IfIndex(4)),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            metric: 0,
        }
    }

    fn check(devices: &[Device], routes: &[TableRoute], wanted: &[&str]) {
        let pods: [Prefix; 2] = ["10.42.0.0/16", "fd42::/48"].map(|text| text.parse().unwrap());
        let is_pods = |address| pods.iter().any(|pods| pods.contains(address));
        let wanted: BTreeSet<IpAddr> = wanted.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(node_addresses(devices, routes, is_pods), wanted);
    }

    #[test]
    fn this_nodes_are_those_of_its_bridge_and_its_vxlan_device() {
        let vxlan = Kind::Vxlan(Vxlan {
            id: 1,
            port: 8_472,
            local: None,
            lower: None,
        });
        let devices = [
            device("flannel.1", vxlan, "10.42.1.0/32"),
            device("cni0", Kind::Bridge, "10.42.1.1/24"),
            device("docker0", Kind::Bridge, "172.17.0.1/16"),
            device("eth0", Kind::Physical, "10.42.9.9/24"),
        ];
        check(&devices, &[], &["10.42.1.0", "10.42.1.1"]);
    }

    #[test]
    fn another_nodes_are_the_gateway_inside_its_prefix_and_the_first_address() {
        let routes = [
            route("10.42.2.0/24", Some("10.42.2.0")),
            route("10.42.3.0/24", Some("192.168.105.13")),
            route("fd42:0:0:2::/64", Some("fd42:0:0:2::")),
            route("10.42.1.0/24", None),
            route("10.42.4.7/32", Some("10.42.4.7")),
            route("0.0.0.0/0", Some("192.168.105.1")),
        ];
        let wanted = [
            "10.42.2.0",
            "10.42.2.1",
            "10.42.3.1",
            "fd42:0:0:2::",
            "fd42:0:0:2::1",
            "10.42.4.7",
        ];
        check(&[], &routes, &wanted);
    }
}
