//! Classes and stacks by where packets were seen.

use Carriage::{Plain, Vxlan};
use Hook::{Egress, Ingress};

use super::*;

fn bits(seen: &[(Point, Carriage, Hook)]) -> u32 {
    seen.iter().fold(0, |bits, &(point, carriage, hook)| {
        bits | 1 << trajectory_bit(Site { point, hook }, carriage)
    })
}

fn check(
    seen: &[(Point, Carriage, Hook)],
    underlay: Option<UnderlayKind>,
    class: &str,
    stack: &str,
) {
    let found = classify(&Observation {
        path: 9,
        bits: bits(seen),
        nested: 0,
        underlay,
        relay: RelayMode::Derp,
        strays: false,
        is_proxy: false,
    });
    assert_eq!(
        found.relay == RelayMode::Derp,
        class.contains("tailscale"),
        "a mode is Tailscale's alone"
    );
    assert_eq!(
        (found.class.name(), found.encapsulation.to_string()),
        (class, stack.to_owned())
    );
}

const POD: [(Point, Carriage, Hook); 2] = [
    (Point::Port, Plain, Ingress),
    (Point::Bridge, Plain, Ingress),
];

#[test]
fn vxlan_on_the_wire_is_named_by_its_underlay() {
    let seen = [
        POD[0],
        POD[1],
        (Point::Overlay, Plain, Egress),
        (Point::Underlay1, Vxlan, Egress),
    ];
    check(&seen, Some(UnderlayKind::Vmnet), "vxlan-vmnet", "vxlan");
    check(&seen, Some(UnderlayKind::Lan), "vxlan-lan", "vxlan");
    check(&seen, Some(UnderlayKind::Wan), "vxlan-wan", "vxlan");
    check(&seen, None, "unknown", "vxlan");
}

#[test]
fn vxlan_in_the_tunnel_outranks_vxlan_on_the_wire() {
    let seen = [
        POD[0],
        (Point::Overlay, Plain, Egress),
        (Point::Tunnel, Vxlan, Egress),
        (Point::Underlay0, Vxlan, Egress),
    ];
    check(
        &seen,
        Some(UnderlayKind::Lan),
        "vxlan-tailscale",
        "wireguard>vxlan",
    );
}

#[test]
fn pod_packets_in_tunnels_and_on_wires_are_told_apart() {
    check(
        &[POD[0], (Point::Tunnel, Plain, Egress)],
        None,
        "tailscale-subnet",
        "wireguard",
    );
    check(
        &[POD[0], (Point::FlannelWg, Plain, Egress)],
        None,
        "flannel-wg",
        "wireguard",
    );
    check(
        &[POD[0], (Point::Underlay0, Plain, Egress)],
        None,
        "lan-direct",
        "none",
    );
}

/// The way of a pod's packet on its node up to the tunnel, and from there.
const OUT: [(Point, Carriage, Hook); 3] = [POD[0], POD[1], (Point::Tunnel, Plain, Egress)];
const BACK: [(Point, Carriage, Hook); 3] = [
    (Point::Tunnel, Plain, Ingress),
    (Point::Bridge, Plain, Egress),
    (Point::Port, Plain, Egress),
];

#[test]
fn a_subnet_route_is_named_by_how_tailscale_carries_it() {
    let in_vxlan = (Point::Tunnel, Vxlan, Egress);
    for (seen, relay, class, stack, mode) in [
        (
            OUT,
            RelayMode::Unknown,
            "tailscale-subnet",
            "wireguard",
            "unknown",
        ),
        (
            OUT,
            RelayMode::Direct,
            "tailscale-subnet-direct",
            "wireguard",
            "direct",
        ),
        (
            BACK,
            RelayMode::Direct,
            "tailscale-subnet-direct",
            "wireguard",
            "direct",
        ),
        (
            OUT,
            RelayMode::Derp,
            "tailscale-subnet-derp",
            "wireguard",
            "derp",
        ),
        (
            BACK,
            RelayMode::PeerRelay,
            "tailscale-subnet-peer-relay",
            "wireguard",
            "peer_relay",
        ),
        (
            OUT,
            RelayMode::Overlay,
            "tailscale-over-overlay",
            "vxlan>wireguard",
            "direct",
        ),
        (
            BACK,
            RelayMode::Overlay,
            "tailscale-over-overlay",
            "vxlan>wireguard",
            "direct",
        ),
        (
            [POD[0], (Point::Overlay, Plain, Egress), in_vxlan],
            RelayMode::Overlay,
            "vxlan-tailscale-direct",
            "vxlan>wireguard>vxlan",
            "direct",
        ),
        (
            [POD[0], POD[1], (Point::Underlay0, Plain, Egress)],
            RelayMode::Overlay,
            "lan-direct",
            "none",
            "none",
        ),
    ] {
        let found = classify(&Observation {
            path: 9,
            bits: bits(&seen),
            nested: 0,
            underlay: None,
            relay,
            strays: false,
            is_proxy: false,
        });
        let named = (
            found.class.name_in(found.relay),
            found.encapsulation.to_string(),
            found.relay.to_string(),
        );
        assert_eq!(named, (class, stack.to_owned(), mode.to_owned()));
    }
}

#[test]
fn plain_packets_that_only_a_default_route_takes_leave_the_cluster() {
    let class = |seen: &[(Point, Carriage, Hook)], strays| {
        let observation = Observation {
            path: 9,
            bits: bits(seen),
            nested: 0,
            underlay: None,
            relay: RelayMode::Unknown,
            strays,
            is_proxy: false,
        };
        classify(&observation).class
    };
    let plain = [POD[0], (Point::Underlay0, Plain, Egress)];
    assert_eq!(class(&plain, true), Class::External);
    assert_eq!(class(&plain, false), Class::LanDirect);
    let tunnel = [POD[0], (Point::Tunnel, Plain, Egress)];
    assert_eq!(class(&tunnel, true), Class::TailscaleSubnet);
}

#[test]
fn a_proxys_own_wireguard_is_one_more_layer_innermost() {
    let over = (Point::Overlay, Plain, Egress);
    let stack = |seen: &[(Point, Carriage, Hook)], is_proxy| {
        let found = classify(&Observation {
            path: 9,
            bits: bits(seen),
            nested: 0,
            underlay: Some(UnderlayKind::Lan),
            relay: RelayMode::Direct,
            strays: false,
            is_proxy,
        });
        let class = found.class.name_in(found.relay);
        (class, found.encapsulation.to_string())
    };
    let tunnel = [POD[0], over, (Point::Tunnel, Vxlan, Egress)];
    let lan = [POD[0], over, (Point::Underlay0, Vxlan, Egress)];
    let node = [POD[0], (Point::Port, Plain, Egress)];
    for (seen, is_proxy, class, layers) in [
        (
            &tunnel[..],
            true,
            "vxlan-tailscale-direct",
            "wireguard>vxlan>wireguard",
        ),
        (
            &tunnel[..],
            false,
            "vxlan-tailscale-direct",
            "wireguard>vxlan",
        ),
        (&lan[..], true, "vxlan-lan", "vxlan>wireguard"),
        (&node[..], true, "same-node", "wireguard"),
        (&POD[..], true, "unknown", "none"),
    ] {
        assert_eq!(stack(seen, is_proxy), (class, layers.to_owned()));
    }
}

#[test]
fn same_node_needs_a_port_in_and_a_port_out() {
    check(
        &[POD[0], (Point::Port, Plain, Egress)],
        None,
        "same-node",
        "none",
    );
    check(&POD, None, "unknown", "none");
    check(
        &[POD[0], (Point::Overlay, Plain, Egress)],
        None,
        "unknown",
        "none",
    );
}

#[test]
fn reserved_paths_keep_their_class_wherever_they_are_seen() {
    let seen = bits(&[(Point::Tunnel, Plain, Egress)]);
    let class = |path| {
        classify(&Observation {
            path,
            bits: seen,
            nested: 0,
            underlay: None,
            relay: RelayMode::Direct,
            strays: false,
            is_proxy: false,
        })
        .class
    };
    assert_eq!(class(PATH_UNKNOWN), Class::Unknown);
    assert_eq!(
        (class(PATH_EXTERNAL), class(PATH_HOST)),
        (Class::External, Class::Host)
    );
}

#[test]
fn further_vxlan_packets_are_layers_inside_the_outermost_one() {
    let over = (Point::Overlay, Plain, Egress);
    let stack = |seen: &[(Point, Carriage, Hook)], nested| {
        let found = classify(&Observation {
            path: 9,
            bits: bits(seen),
            nested,
            underlay: Some(UnderlayKind::Lan),
            relay: RelayMode::Direct,
            strays: false,
            is_proxy: false,
        });
        (
            found.class.name(),
            found.encapsulation.to_string(),
            found.encapsulation.depth(),
        )
    };
    let lan = [POD[0], over, (Point::Underlay0, Vxlan, Egress)];
    let tunnel = [POD[0], over, (Point::Tunnel, Vxlan, Egress)];
    let plain = [POD[0], (Point::Tunnel, Plain, Egress)];
    let deep = "vxlan>vxlan>vxlan>vxlan";
    for (seen, nested, class, layers, depth) in [
        (&lan[..], 1, "vxlan-lan", "vxlan>vxlan", 2),
        (&lan[..], 3, "vxlan-lan", deep, 4),
        (
            &tunnel[..],
            1,
            "vxlan-tailscale",
            "wireguard>vxlan>vxlan",
            3,
        ),
        (&plain[..], 1, "tailscale-subnet", "wireguard", 1),
    ] {
        assert_eq!(stack(seen, nested), (class, layers.to_owned(), depth));
    }
    assert!(stack(&lan, u32::MAX).2 < 8, "a number that nobody counted");
}
