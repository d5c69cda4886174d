//! The topologies as data: what must hold for every seed.

use std::collections::HashSet;

use super::{Scenario, topology};
use crate::lab::topology::Role;
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
