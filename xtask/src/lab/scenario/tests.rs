//! The topologies as data: what must hold for every seed.

use std::collections::HashSet;

use super::{Scenario, topology};
use crate::lab::topology::{Family, Role};
use crate::lab::{Options, WireId};

fn options(scenario: Scenario, seed: u64) -> Options {
    Options {
        pods_per_node: 2,
        ..Options::new(scenario).with_seed(seed)
    }
}

#[test]
fn same_seed_gives_the_same_lab_and_another_seed_another() {
    for scenario in Scenario::ALL {
        assert_eq!(
            topology(&options(scenario, 5)),
            topology(&options(scenario, 5))
        );
        assert_ne!(
            topology(&options(scenario, 5)).nodes,
            topology(&options(scenario, 6)).nodes
        );
    }
}

#[test]
fn addresses_never_repeat() {
    for scenario in Scenario::ALL {
        for seed in 0..200 {
            let lab = topology(&options(scenario, seed));
            let own = lab.nodes.iter().flat_map(|node| {
                let pods = node.pods.iter().map(|pod| pod.address);
                let devices = node
                    .devices
                    .iter()
                    .filter(|device| device.segment != "user");
                let wires = devices.map(|device| device.address);
                pods.chain(wires)
                    .chain(node.former)
                    .chain([node.tailnet.address, node.pod_network])
            });
            let all: Vec<_> = own.collect();
            let distinct: HashSet<_> = all.iter().collect();
            assert_eq!(
                all.len(),
                distinct.len(),
                "{scenario:?} seed {seed}: {all:?}"
            );
        }
    }
}

#[test]
fn addresses_of_ipv6_never_repeat_and_are_there_where_both_families_are() {
    for scenario in Scenario::ALL {
        let is_dual = [Scenario::H2v6, Scenario::S1v6, Scenario::S6v6].contains(&scenario);
        for seed in 0..200 {
            let lab = topology(&options(scenario, seed));
            assert_eq!(lab.families().len(), if is_dual { 2 } else { 1 });
            let own = lab.nodes.iter().flat_map(|node| {
                let pods = node.pods.iter().map(|pod| pod.address_six);
                let devices = node.devices.iter();
                let wires = devices.filter(|own| own.segment != "user");
                let wires = wires.map(|own| own.address_six);
                let network = node.six.as_ref().map(|six| six.pod_network);
                pods.chain(wires).chain([node.tailnet.address_six, network])
            });
            let all: Vec<_> = own.collect();
            assert!(all.iter().all(|address| address.is_some() == is_dual));
            let distinct: HashSet<_> = all.iter().collect();
            assert!(!is_dual || all.len() == distinct.len(), "{seed}: {all:?}");
        }
    }
}

#[test]
fn an_address_of_ipv6_reads_like_its_twin() {
    let lab = topology(&options(Scenario::S1v6, 3));
    let segment = &lab.segments[0];
    let [_, _, third, _] = segment.gateway.octets();
    let wanted = format!("fd00:192:168:{third}::1");
    assert_eq!(segment.gateway_six.map(|six| six.to_string()), Some(wanted));
    let tailnet = &lab.nodes[0].tailnet;
    let [_, b, c, d] = tailnet.address.octets();
    let six = tailnet.address_six.expect("dual stack").octets();
    assert_eq!(six[..6], [0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0]);
    assert_eq!(six[13..], [b, c, d]);
}

#[test]
fn the_longest_packet_is_that_of_the_familys_own_road() {
    let mtus = |scenario| {
        let paths = topology(&options(scenario, 5)).expected();
        let remote = paths.iter().filter(|path| path.class != "same-node");
        let found: HashSet<_> = remote.map(|path| (path.family, path.mtu)).collect();
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        found
    };
    let [four, six] = Family::ALL;
    assert_eq!(mtus(Scenario::H2), [(four, 1450)]);
    assert_eq!(mtus(Scenario::H2v6), [(four, 1450), (six, 1430)]);
    assert_eq!(mtus(Scenario::S1v6), [(four, 1370), (six, 1350)]);
    assert_eq!(mtus(Scenario::S6), [(four, 1280)]);
    assert_eq!(mtus(Scenario::S6v6), [(four, 1280), (six, 1280)]);
}

#[test]
fn roles_and_order_move_with_the_seed() {
    let labs: Vec<_> = (0..50)
        .map(|seed| topology(&options(Scenario::Mixed, seed)))
        .collect();
    let first: HashSet<_> = labs.iter().map(|lab| lab.nodes[0].role).collect();
    let orders: HashSet<_> = labs.iter().map(|lab| lab.order.clone()).collect();
    assert_eq!(first.len(), 3);
    assert_eq!(orders.len(), 6);
}

#[test]
fn every_pair_has_the_class_of_its_scenario() {
    let classes = |scenario| {
        let mut found: Vec<(&str, &str, Option<bool>, usize)> = Vec::new();
        for path in topology(&options(scenario, 11)).expected() {
            let key = (path.class, path.encap, path.endpoint_on_link);
            match found.iter_mut().find(|row| (row.0, row.1, row.2) == key) {
                Some(row) => row.3 += 1,
                None => found.push((key.0, key.1, key.2, 1)),
            }
        }
        found.sort_unstable();
        found
    };
    let same = ("same-node", "none", None, 6);
    for scenario in [Scenario::H2, Scenario::H2c] {
        assert_eq!(
            classes(scenario),
            [same, ("vxlan-vmnet", "vxlan", None, 24)]
        );
    }
    assert_eq!(classes(Scenario::H6), [("same-node", "none", None, 2)]);
    let over = |on_link, count| {
        (
            "vxlan-tailscale-direct",
            "wireguard>vxlan",
            Some(on_link),
            count,
        )
    };
    assert_eq!(classes(Scenario::S1), [same, over(true, 24)]);
    assert_eq!(classes(Scenario::S1d), [same, over(false, 24)]);
    // Each family has its own pairs.
    let twice = ("same-node", "none", None, 12);
    assert_eq!(
        classes(Scenario::H2v6),
        [twice, ("vxlan-vmnet", "vxlan", None, 48)]
    );
    assert_eq!(classes(Scenario::S1v6), [twice, over(true, 48)]);
    let subnet = |count| ("tailscale-subnet-direct", "wireguard", Some(true), count);
    assert_eq!(classes(Scenario::S6), [same, subnet(24)]);
    assert_eq!(classes(Scenario::S6v6), [twice, subnet(48)]);
    let lan = ("vxlan-lan", "vxlan", None, 24);
    assert_eq!(classes(Scenario::S3), [same, lan]);
    let relayed = |class| {
        let few = ("same-node", "none", None, 4);
        [few, (class, "wireguard>vxlan", Some(false), 8)]
    };
    assert_eq!(classes(Scenario::S5), relayed("vxlan-tailscale-derp"));
    assert_eq!(classes(Scenario::H8), relayed("vxlan-tailscale-peer-relay"));
    let relay = (
        "vxlan-tailscale-peer-relay",
        "wireguard>vxlan",
        Some(false),
        8,
    );
    assert_eq!(classes(Scenario::H8c), [same, over(false, 16), relay]);
    let mixed = [same, over(false, 16), ("vxlan-vmnet", "vxlan", None, 8)];
    assert_eq!(classes(Scenario::Mixed), mixed);
}

#[test]
fn services_have_their_backends_on_different_nodes_and_none_on_the_client() {
    let mut clients = HashSet::new();
    for seed in 0..50 {
        let lab = topology(&options(Scenario::H2c, seed));
        let client = lab.nodes.iter().find(|node| node.role == Role::Client);
        let client = &client.expect("a client").name;
        clients.insert(client.clone());
        let nodes_of = |name: &str| {
            let backends = &lab.service(name).expect("service").backends;
            let nodes = backends.iter().map(|backend| {
                let pod = lab.pod(&backend.pod).expect("pod");
                assert_eq!(pod.address, backend.address);
                pod.name.split('-').next().expect("node").to_owned()
            });
            nodes.collect::<HashSet<_>>()
        };
        let (web, masked) = (nodes_of("web"), nodes_of("masked"));
        assert!(web.len() == 2 && !web.contains(client) && masked.is_subset(&web));
    }
    assert_eq!(clients.len(), 3, "the client moves with the seed");
}

#[test]
fn delay_box_sits_in_the_asked_wire_only() {
    let wire = WireId {
        node: "n2".into(),
        device: "lima0".into(),
    };
    let lab = topology(&Options {
        delay_boxes: vec![wire],
        ..options(Scenario::H2, 1)
    });
    let boxed: Vec<_> = lab
        .nodes
        .iter()
        .flat_map(|node| node.devices.iter().map(move |device| (node, device)))
        .filter(|(_, device)| device.delay_box)
        .map(|(node, device)| format!("{} {}", node.name, device.name))
        .collect();
    assert_eq!(boxed, ["n2 lima0"]);
}

#[test]
fn device_names_fit_the_kernel() {
    for scenario in Scenario::ALL {
        for node in topology(&options(scenario, 3)).nodes {
            for device in &node.devices {
                assert!(format!("{}-out", device.router_port).len() <= 15);
            }
        }
    }
}
