//! The proof by exhaustion, and what is no proof.

use std::collections::BTreeMap;

use crate::diagnosis::double_encapsulation::fixture::{endpoint, path};
use crate::path::Class;

use super::*;

const NEAR: &str = "192.168.7.2";
const FAR: &str = "10.9.0.3";

/// What a node with a neighbour and a far peer finds.
fn find(class: Class, vxlan: u64, near: u64, far: u64) -> Option<Finding> {
    let endpoints = [endpoint(NEAR, true), endpoint(FAR, false)];
    let sent = endpoints.each_ref().map(|own| own.address);
    let leg = Leg {
        tunnel: vxlan,
        direct: BTreeMap::from([(sent[0], near), (sent[1], far)]),
        ..Leg::default()
    };
    mixed_peers(&MixedFacts {
        node: "n1",
        path: &path(class, 12),
        vxlan,
        leg: &leg,
        endpoints: &endpoints,
    })
}

#[test]
fn vxlan_that_far_endpoints_did_not_take_went_to_the_neighbours() {
    let found = find(Class::VxlanTailscale, 200_000, 101_000, 101_000).expect("a finding");
    assert_eq!(found.fix.id, "subnet-routes-remote");
    assert_eq!(found.subject.nodes, ["n1", NEAR]);
    assert!(found.fix.text.contains("flannel-iface: eth0"));
    assert!(found.evidence[0].text.contains(NEAR), "{found:?}");
    assert!(found.evidence[1].text.contains(FAR), "{found:?}");
}

#[test]
fn a_neighbour_that_gets_no_pod_packets_is_no_finding() {
    // All VXLAN went far; the neighbour has had something of its own.
    assert_eq!(find(Class::VxlanTailscale, 200_000, 90_000, 201_000), None);
    assert_eq!(find(Class::VxlanTailscale, 200_000, 0, 90_000), None);
}

#[test]
fn without_far_peers_it_is_another_rules_affair() {
    assert_eq!(find(Class::VxlanTailscale, 200_000, 201_000, 0), None);
}

#[test]
fn a_few_packets_and_other_classes_prove_nothing() {
    assert_eq!(find(Class::VxlanTailscale, 9_000, 5_000, 4_000), None);
    assert_eq!(
        find(Class::TailscaleSubnet, 200_000, 101_000, 101_000),
        None
    );
}

#[test]
fn what_a_relay_took_is_not_the_neighbours() {
    let endpoints = [endpoint(NEAR, true)];
    let leg = |relayed| Leg {
        tunnel: 200_000,
        direct: BTreeMap::from([(endpoints[0].address, 30_000)]),
        peer_relay: BTreeMap::from([(FAR.parse().expect("address"), relayed)]),
        ..Leg::default()
    };
    let find = |leg: &Leg| {
        mixed_peers(&MixedFacts {
            node: "n1",
            path: &path(Class::VxlanTailscale, 12),
            vxlan: 200_000,
            leg,
            endpoints: &endpoints,
        })
    };
    assert_eq!(find(&leg(190_000)), None);
    assert!(find(&leg(100_000)).is_some());
}
