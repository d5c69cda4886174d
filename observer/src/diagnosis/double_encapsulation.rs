//! S1: pod packets ride in VXLAN inside WireGuard although every peer is a neighbour on the LAN, so
//! that the tunnel buys nothing but CPU, latency and 220 bytes of MTU.

use std::collections::BTreeMap;
use std::net::IpAddr;

use observer_ebpf::abi::point::Point;

use crate::path::{Class, PathReport, UnderlayKind};

use super::{Cause, Evidence, Finding, Fix, Subject};

/// A WireGuard endpoint that this node sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address on the underlay.
    pub address: IpAddr,
    /// The device that the kernel routes it through.
    pub device: String,
    /// The kernel needs no gateway for it.
    pub on_link: bool,
    /// The kind of underlay there.
    pub underlay: UnderlayKind,
}

/// What the rule looks at for one ordered pair.
#[derive(Clone, Copy, Debug)]
pub struct PairFacts<'a> {
    /// This node.
    pub node: &'a str,
    /// The observed path, this node's pod first.
    pub path: &'a PathReport,
    /// The peer node's VTEP as seen in the tunnel, or its name.
    pub peer: &'a str,
    /// Every WireGuard endpoint with a session that may be alive, this node's whole tailnet.
    pub endpoints: &'a [Endpoint],
}

/// Finds double encapsulation within one LAN. Flannel's interface is a setting of the whole node, so
/// a single endpoint behind a router forbids the fix, and the finding with it.
#[must_use]
pub fn double_encapsulation(facts: &PairFacts<'_>) -> Option<Finding> {
    // One packet proves nothing: it may be forged, or of its entry's last owner.
    if facts.path.class != Some(Class::VxlanTailscale) || !facts.path.confirmed {
        return None;
    }
    // A route of the tailnet has taken the VXLAN for an address outside it: flannel's interface is not
    // what is wrong.
    if !facts.path.peer.is_none_or(is_of_tailnet) {
        return None;
    }
    let entering = facts.path.points.get(&Point::Tunnel)?.packets;
    if entering < 2 {
        return None;
    }
    let first = facts.endpoints.first()?;
    if !facts.endpoints.iter().all(|endpoint| endpoint.on_link) {
        return None;
    }
    let device = &first.device;
    Some(Finding {
        cause: Cause::DoubleEncapsulation,
        subject: Subject {
            nodes: vec![facts.node.to_owned(), facts.peer.to_owned()],
        },
        confidence: 0.9,
        cost: inside_the_node(facts.path),
        evidence: evidence(facts, entering),
        fix: Fix {
            id: "flannel-iface-lan",
            text: format!(
                "on every node set `flannel-iface: {device}` in /etc/rancher/k3s/config.yaml (name \
                 the LAN device of that node), restart k3s on the servers and k3s-agent on the \
                 agents, then recreate the pods so that they get the larger MTU"
            ),
            side_effects: vec![
                "each node needs a stable LAN address (DHCP reservation): VTEPs become LAN \
                 addresses"
                    .to_owned(),
                "pod traffic between nodes is no longer encrypted on the LAN".to_owned(),
            ],
        },
        refuted_by:
            "a node of this cluster that is reached through a router: the fix would cut it \
                     off"
            .to_owned(),
    })
}

/// Whether an address is one that Tailscale gives to nodes (net/tsaddr: `100.64.0.0/10` and
/// `fd7a:115c:a1e0::/48`).
pub(super) fn is_of_tailnet(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => matches!(address.octets(), [100, 64..=127, ..]),
        IpAddr::V6(address) => matches!(address.segments(), [0xfd7a, 0x115c, 0xa1e0, ..]),
    }
}

/// What a round trip takes between pod and tunnel: an estimate of what each further layer costs.
pub(super) fn inside_the_node(path: &PathReport) -> u64 {
    let pod = [Point::Port, Point::Bridge]
        .iter()
        .find_map(|point| path.points.get(point)?.rtt);
    let tunnel = path.tunnel_round_trip();
    match (pod, tunnel) {
        (Some(pod), Some(tunnel)) => pod.p50.saturating_sub(tunnel),
        _ => 0,
    }
}

fn evidence(facts: &PairFacts<'_>, entering: u64) -> Vec<Evidence> {
    let path = facts.path;
    let mut evidence = vec![
        Evidence {
            id: "stack_observed",
            text: format!(
                "{entering} packets were seen as VXLAN at the tunnel: stack {}",
                path.encapsulation
            ),
        },
        Evidence {
            id: "endpoints_on_link",
            text: format!(
                "every active WireGuard endpoint is a neighbour: {}",
                endpoints(facts)
            ),
        },
    ];
    if let Some((mtu, device)) = &path.mtu {
        evidence.push(Evidence {
            id: "mtu_bottleneck",
            text: format!("the smallest MTU on the path is {mtu} at {device}"),
        });
    }
    evidence
}

/// The endpoints by device: `eth0 (lan): 10.0.0.2, 10.0.0.3`.
fn endpoints(facts: &PairFacts<'_>) -> String {
    let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for endpoint in facts.endpoints {
        let device = format!("{} ({})", endpoint.device, endpoint.underlay);
        devices
            .entry(device)
            .or_default()
            .push(endpoint.address.to_string());
    }
    let devices = devices
        .iter()
        .map(|(device, held)| format!("{device}: {}", held.join(", ")));
    devices.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
pub(super) mod fixture {
    use crate::path::{Encapsulation, End, Layer, PointReport, RelayMode};

    use super::*;

    pub(in crate::diagnosis) fn endpoint(address: &str, on_link: bool) -> Endpoint {
        let underlay = if on_link {
            UnderlayKind::Lan
        } else {
            UnderlayKind::Wan
        };
        Endpoint {
            address: address.parse().expect("address"),
            device: "eth0".to_owned(),
            on_link,
            underlay,
        }
    }

    fn at_tunnel(packets: u64) -> PointReport {
        PointReport {
            packets,
            ..PointReport::default()
        }
    }

    pub(in crate::diagnosis) fn path(class: Class, packets: u64) -> PathReport {
        let end = |node: &str| End {
            node: Some(node.to_owned()),
            address: None,
            pod: None,
            services: Vec::new(),
        };
        PathReport {
            source: end("n1"),
            destination: end("n2"),
            class: Some(class),
            encapsulation: Encapsulation(vec![Layer::WireGuard, Layer::Vxlan]),
            underlay: None,
            relay: RelayMode::Unknown,
            relay_by: crate::path::RelayBy::Packets,
            derp_region: None,
            peer_relay: None,
            packets: 12,
            bytes: 1200,
            fragments: crate::path::Fragments::default(),
            tcp: crate::path::TcpReport::default(),
            points: BTreeMap::from([(Point::Tunnel, at_tunnel(packets))]),
            mtu: Some((1230, "flannel.1".to_owned())),
            peer: None,
            idle: 0,
            source_is_local: true,
            superseded: false,
            oversize: None,
            confirmed: true,
            earlier: 1,
            proxy: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{endpoint, path};
    use super::*;

    fn find(class: Class, endpoints: &[Endpoint]) -> Option<Finding> {
        let path = path(class, 12);
        double_encapsulation(&PairFacts {
            node: "n1",
            path: &path,
            peer: "n2",
            endpoints,
        })
    }

    #[test]
    fn vxlan_in_the_tunnel_between_neighbours_is_found_with_its_fix() {
        let endpoints = [endpoint("10.0.0.2", true), endpoint("10.0.0.3", true)];
        let found = find(Class::VxlanTailscale, &endpoints).expect("a finding");
        assert_eq!(found.fix.id, "flannel-iface-lan");
        assert_eq!(found.subject.nodes, ["n1", "n2"]);
        assert!(found.fix.text.contains("flannel-iface: eth0"));
        let ids: Vec<_> = found.evidence.iter().map(|evidence| evidence.id).collect();
        assert_eq!(
            ids,
            ["stack_observed", "endpoints_on_link", "mtu_bottleneck"]
        );
    }

    #[test]
    fn one_endpoint_behind_a_router_forbids_the_finding() {
        let endpoints = [endpoint("10.0.0.2", true), endpoint("10.9.0.3", false)];
        assert_eq!(find(Class::VxlanTailscale, &endpoints), None);
    }

    #[test]
    fn vxlan_that_a_route_of_the_tailnet_has_taken_is_no_finding() {
        let endpoints = [endpoint("10.0.0.2", true)];
        let find = |vtep: &str| {
            let peer = Some(vtep.parse().expect("address"));
            let path = PathReport {
                peer,
                ..path(Class::VxlanTailscale, 12)
            };
            double_encapsulation(&PairFacts {
                node: "n1",
                path: &path,
                peer: vtep,
                endpoints: &endpoints,
            })
        };
        for of_tailnet in ["100.64.0.1", "100.127.9.9", "fd7a:115c:a1e0::1"] {
            assert!(find(of_tailnet).is_some(), "{of_tailnet}");
        }
        for other in [
            "192.168.7.3",
            "100.128.0.1",
            "100.63.255.255",
            "fd7a:115c:a1e1::1",
        ] {
            assert!(find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_busy_tailnet_beside_plain_vxlan_is_no_finding() {
        let endpoints = [endpoint("10.0.0.2", true)];
        assert_eq!(find(Class::Vxlan(UnderlayKind::Vmnet), &endpoints), None);
    }

    #[test]
    fn without_a_known_endpoint_nothing_is_claimed() {
        assert_eq!(find(Class::VxlanTailscale, &[]), None);
    }

    #[test]
    fn one_packet_at_the_tunnel_proves_nothing() {
        let endpoints = [endpoint("10.0.0.2", true)];
        let find = |packets| {
            let path = path(Class::VxlanTailscale, packets);
            double_encapsulation(&PairFacts {
                node: "n1",
                path: &path,
                peer: "n2",
                endpoints: &endpoints,
            })
        };
        assert_eq!(find(1), None);
        assert!(find(2).is_some());
    }
}
