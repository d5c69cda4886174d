//! Neighbours and roads over time, and the devices of a virtual machine.

use std::collections::BTreeMap;

use super::*;
use crate::interfaces::{IfIndex, Kind};
use crate::path::{RelayMode, UnderlayKind};

fn legs(sent: &[(u8, u64)], came: &[u8]) -> [Leg; 2] {
    let address = |last: u8| IpAddr::from([192, 168, 7, last]);
    let mut legs = [Leg::default(), Leg::default()];
    let [ingress, egress] = &mut legs;
    for &(last, packets) in sent {
        egress.disco.insert(address(last), packets);
    }
    for &last in came {
        ingress.disco.insert(address(last), 1);
    }
    legs
}

#[test]
fn messages_that_left_and_none_that_came_make_a_neighbour_silent() {
    let mut detours = Detours::default();
    detours.take(&legs(&[(2, 3), (3, 3)], &[3]), Instant::now());
    assert_eq!(detours.unanswered(), [([192, 168, 7, 2].into(), 3)]);
}

#[test]
fn one_behind_a_router_is_no_neighbour() {
    let mut detours = Detours::default();
    let endpoint = |on_link| Endpoint {
        address: [192, 168, 7, 2].into(),
        device: "eth0".to_owned(),
        on_link,
        underlay: UnderlayKind::Wan,
    };
    detours.set_silent(vec![(endpoint(false), 9), (endpoint(true), 8)]);
    let asked: Vec<_> = detours.silent.iter().map(|silent| silent.asked).collect();
    assert_eq!(asked, [8]);
}

fn device(name: &str, address: &str) -> Device {
    Device {
        ifindex: IfIndex(2),
        incarnation: 0,
        name: name.to_owned(),
        kind: Kind::Physical,
        mtu: 1500,
        master: None,
        up: true,
        link_layer: true,
        addresses: address.parse().into_iter().collect(),
    }
}

#[test]
fn a_user_mode_network_counts_where_there_is_no_shared_one() {
    let rules = UnderlayRules::default();
    let guest = device("eth0", "192.168.5.15/24");
    let lan = device("eth0", "192.168.5.16/24");
    let found = |reached_by: &Device, others: &[Device]| {
        let mut detours = Detours::default();
        detours.set_user_mode(&[reached_by], others, &rules);
        detours.user_mode.map(|network| network.address)
    };
    let address = IpAddr::from([192, 168, 5, 15]);
    assert_eq!(found(&guest, std::slice::from_ref(&guest)), Some(address));
    assert_eq!(found(&lan, std::slice::from_ref(&lan)), None);
    let lima = device("lima0", "10.0.0.2/24");
    assert_eq!(found(&guest, &[guest.clone(), lima]), None);
    let by_address = device("eth1", "192.168.105.3/24");
    assert_eq!(found(&guest, &[guest.clone(), by_address]), None);
}

fn path(relay: RelayMode, micros: u64, count: u32) -> PathReport {
    let end = crate::path::End {
        node: None,
        address: None,
        pod: None,
        services: Vec::new(),
    };
    let tunnel = crate::path::PointReport {
        rtt_samples: vec![(micros * 1_000, None, count)],
        ..crate::path::PointReport::default()
    };
    PathReport {
        source: end.clone(),
        destination: end,
        class: None,
        encapsulation: crate::path::Encapsulation::default(),
        underlay: None,
        relay,
        relay_by: crate::path::RelayBy::Packets,
        derp_region: None,
        peer_relay: None,
        packets: 0,
        bytes: 0,
        fragments: crate::path::Fragments::default(),
        tcp: crate::path::TcpReport::default(),
        points: BTreeMap::from([(Point::Tunnel, tunnel)]),
        mtu: None,
        superseded: false,
        oversize: None,
        confirmed: true,
        earlier: 1,
        proxy: None,
        peer: None,
        idle: 0,
        source_is_local: true,
    }
}

#[test]
fn the_round_trips_behind_the_tunnel_are_those_of_the_road_and_its_only_end() {
    let (mut detours, now) = (Detours::default(), Instant::now());
    let mut leg = Leg::default();
    leg.direct.insert([192, 168, 7, 2].into(), 9);
    detours.take_path("n2", &path(RelayMode::Direct, 400, 9), &leg, now);
    let relayed = path(RelayMode::Derp, 80_000, 9);
    detours.take_path("n2", &relayed, &Leg::default(), now);
    let before = detours.before("n2").expect("both roads");
    assert_eq!((before.round_trip, before.relayed), (400_000, 80_000_000));
    assert_eq!(before.endpoint, Some([192, 168, 7, 2].into()));
    leg.direct.insert([192, 168, 7, 3].into(), 9);
    detours.take_path("n2", &path(RelayMode::Direct, 400, 9), &leg, now);
    detours.take_path("n2", &relayed, &Leg::default(), now);
    let before = detours.before("n2").expect("both roads");
    assert_eq!(before.endpoint, None, "one of two ends");
}
