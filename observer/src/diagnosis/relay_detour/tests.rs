//! A detour needs a relay and a shorter road; the numbers are in the evidence.

use std::collections::BTreeMap;

use super::*;
use crate::path::{Class, Encapsulation, End, Layer, PointReport, Quantiles};

fn path(relay: RelayMode, packets: u64) -> PathReport {
    let end = |last: u8| End {
        node: None,
        address: Some([10, 42, last, 2].into()),
        pod: None,
        services: Vec::new(),
    };
    let tunnel = PointReport {
        packets,
        bytes: packets * 100,
        rtt: Some(Quantiles {
            count: 40,
            p50: 163_400_000,
            p99: 171_000_000,
        }),
        rtt_samples: Vec::new(),
    };
    PathReport {
        source: end(1),
        destination: end(2),
        class: Some(Class::VxlanTailscale),
        encapsulation: Encapsulation(vec![Layer::WireGuard, Layer::Vxlan]),
        underlay: None,
        relay,
        relay_by: crate::path::RelayBy::Packets,
        derp_region: None,
        peer_relay: None,
        packets,
        bytes: packets * 100,
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

fn leg() -> Leg {
    let relay: SocketAddr = ([203, 0, 113, 9], 443).into();
    let control: SocketAddr = ([203, 0, 113, 1], 443).into();
    Leg {
        tunnel: 10_000,
        tcp: BTreeMap::from([(relay, 11_500), (control, 60)]),
        ..Leg::default()
    }
}

fn neighbour(last: u8) -> SilentNeighbour {
    SilentNeighbour {
        endpoint: Endpoint {
            address: [192, 168, 7, last].into(),
            device: "eth0".to_owned(),
            on_link: true,
            underlay: UnderlayKind::Lan,
        },
        asked: 12,
    }
}

fn find(
    path: &PathReport,
    relayed_peers: usize,
    silent: &[SilentNeighbour],
    user_mode: Option<&UserModeNetwork>,
) -> Option<Finding> {
    relay_detour(&DetourFacts {
        node: "n1",
        path,
        peer: "100.64.0.2",
        leg: &leg(),
        relayed_peers,
        before: None,
        silent,
        user_mode,
    })
}

fn find_with(before: &DirectBefore) -> Option<Finding> {
    relay_detour(&DetourFacts {
        node: "n1",
        path: &path(RelayMode::Derp, 50),
        peer: "100.64.0.2",
        leg: &leg(),
        relayed_peers: 3,
        before: Some(before),
        silent: &[],
        user_mode: None,
    })
}

#[test]
fn a_peer_that_was_reached_directly_in_far_less_time_is_found() {
    let mut before = DirectBefore {
        endpoint: Some([192, 168, 7, 3].into()),
        round_trip: 400_000,
        relayed: 80_500_000,
    };
    let found = find_with(&before).expect("a finding");
    assert_eq!((found.fix.id, found.cost), ("open-direct-udp", 80_100_000));
    let fact = found.evidence.last().expect("evidence");
    assert_eq!(fact.id, "direct_before");
    assert!(
        fact.text.contains(
            "at 192.168.7.3, where the quickest round trips behind the tunnel took 0.40 ms"
        )
    );
    assert!(fact.text.contains("take 80.50 ms"));
    before.relayed = 800_000;
    assert_eq!(find_with(&before), None, "a relay next door is no detour");
}

fn user_mode() -> UserModeNetwork {
    UserModeNetwork {
        device: "eth0".to_owned(),
        address: [192, 168, 5, 15].into(),
    }
}

#[test]
fn a_relay_past_a_silent_neighbour_is_found_with_its_numbers() {
    let path = path(RelayMode::Derp, 50);
    let found = find(&path, 1, &[neighbour(3)], None).expect("a finding");
    assert_eq!(found.cause.id(), "relay_detour");
    assert_eq!(found.subject.nodes, ["n1", "100.64.0.2"]);
    assert_eq!(found.cost, 163_400_000);
    assert_eq!(found.fix.id, "open-direct-udp");
    assert!(found.fix.text.contains("192.168.7.3"));
    let text = |id| {
        let fact = found.evidence.iter().find(|fact| fact.id == id);
        fact.map(|fact| fact.text.as_str()).expect(id)
    };
    let observed = text("relay_observed");
    assert!(observed.contains("10000 bytes of WireGuard; 11500 bytes (115 %)"));
    assert!(observed.contains("203.0.113.9:443") && !observed.contains("203.0.113.1:"));
    assert!(text("round_trip").contains("take 163.40 ms"));
    assert!(text("disco_unanswered").contains("192.168.7.3 on eth0 (lan)"));
}

#[test]
fn a_machine_with_a_user_mode_network_alone_gets_a_shared_one() {
    let path = path(RelayMode::Derp, 50);
    let found = find(&path, 3, &[], Some(&user_mode())).expect("a finding");
    assert_eq!(found.fix.id, "lima-shared-network");
    assert!(found.confidence < 0.7, "the peer may be elsewhere");
    assert!(found.refuted_by.contains("same host"));
    assert!(!found.fix.side_effects.is_empty());
}

#[test]
fn a_relay_without_a_shorter_road_is_no_finding() {
    assert_eq!(find(&path(RelayMode::Derp, 50), 1, &[], None), None);
}

#[test]
fn a_silent_neighbour_that_may_be_another_peer_is_no_finding() {
    let path = path(RelayMode::Derp, 50);
    assert_eq!(find(&path, 2, &[neighbour(3)], None), None);
}

#[test]
fn no_other_mode_is_a_detour_whatever_the_neighbours_say() {
    for mode in [
        RelayMode::Direct,
        RelayMode::PeerRelay,
        RelayMode::Unknown,
        RelayMode::None,
    ] {
        let path = path(mode, 50);
        assert_eq!(find(&path, 1, &[neighbour(3)], Some(&user_mode())), None);
    }
}

#[test]
fn bits_that_one_flow_alone_says_prove_nothing() {
    let mut path = path(RelayMode::Derp, 50);
    path.confirmed = false;
    assert_eq!(find(&path, 1, &[neighbour(3)], Some(&user_mode())), None);
}

#[test]
fn one_packet_at_the_tunnel_proves_nothing() {
    let path = path(RelayMode::Derp, 1);
    assert_eq!(find(&path, 1, &[neighbour(3)], None), None);
}
