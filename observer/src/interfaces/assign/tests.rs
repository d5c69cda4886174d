//! Literal cases of `assign`.

use observer_ebpf::abi::point::Point;

use super::*;
use crate::interfaces::{IfIndex, Prefix, Vxlan};

fn device(ifindex: u32, name: &str, kind: Kind) -> Device {
    Device {
        ifindex: IfIndex(ifindex),
        incarnation: u64::from(ifindex),
        name: name.to_owned(),
        link_layer: kind != Kind::Tun && kind != Kind::WireGuard,
        kind,
        mtu: 1500,
        master: None,
        up: true,
        addresses: Vec::new(),
    }
}

fn card(ifindex: u32, name: &str, address: &str) -> Device {
    let addresses = vec![address.parse::<Prefix>().unwrap()];
    Device {
        addresses,
        ..device(ifindex, name, Kind::Physical)
    }
}

fn port(ifindex: u32, master: u32) -> Device {
    Device {
        master: Some(IfIndex(master)),
        ..device(ifindex, &format!("veth{ifindex}"), Kind::Veth)
    }
}

fn vxlan() -> Kind {
    Kind::Vxlan(Vxlan {
        id: 1,
        port: 8472,
        local: None,
        lower: None,
    })
}

fn wanted(routed: &[u32], default_routes: &[u32]) -> WantedUnderlays {
    WantedUnderlays {
        routed: routed.iter().copied().map(IfIndex).collect(),
        default_routes: default_routes.iter().copied().map(IfIndex).collect(),
    }
}

fn first(devices: &[Device], wanted: &WantedUnderlays) -> Roles {
    assign(devices, &Rules::default(), wanted, &Roles::default())
}

/// `(device number, point)` of every attachment.
fn points(roles: &Roles) -> Vec<(u32, Point)> {
    let pairs = roles
        .attachments
        .iter()
        .map(|one| (one.ifindex.0, one.point));
    pairs.collect()
}

fn blind(roles: &Roles) -> Vec<(&str, &str)> {
    let pairs = roles
        .not_attached
        .iter()
        .map(|one| (one.device.as_str(), one.reason.name()));
    pairs.collect()
}

#[test]
fn every_device_of_a_lima_node_gets_its_point() {
    let devices = [
        device(1, "lo", Kind::Loopback),
        card(2, "eth0", "192.168.5.15/24"),
        card(3, "lima0", "192.168.105.2/24"),
        device(4, "tailscale0", Kind::Tun),
        device(5, "flannel.1", vxlan()),
        device(6, "flannel-v6.1", vxlan()),
        device(7, "cni0", Kind::Bridge),
        port(8, 7),
        device(9, "flannel-wg", Kind::WireGuard),
        device(10, "docker0", Kind::Bridge),
        port(11, 10),
    ];
    let roles = first(&devices, &wanted(&[3], &[2, 3]));
    let expected = [
        (2, Point::Underlay1),
        (3, Point::Underlay0),
        (4, Point::Tunnel),
        (5, Point::Overlay),
        (6, Point::Overlay),
        (7, Point::Bridge),
        (8, Point::Port),
        (9, Point::FlannelWg),
    ];
    assert_eq!(points(&roles), expected);
    assert_eq!(blind(&roles), []);
    let underlays = [Some(IfIndex(3)), Some(IfIndex(2)), None];
    assert_eq!(roles.underlays(), underlays);
}

#[test]
fn a_name_of_the_wrong_kind_is_a_blind_spot() {
    let devices = [
        device(2, "cni0", Kind::Veth),
        device(3, "flannel.ipip", Kind::Other("ipip".to_owned())),
        device(4, "tailscale0", Kind::Physical),
        port(5, 2),
    ];
    let roles = first(&devices, &wanted(&[], &[]));
    assert_eq!(points(&roles), []);
    let kinds = [
        ("cni0", "wrong_kind"),
        ("flannel.ipip", "wrong_kind"),
        ("tailscale0", "wrong_kind"),
    ];
    assert_eq!(blind(&roles), kinds);
    let text = roles.not_attached[1].reason.to_string();
    assert_eq!(text, "is of kind ipip, its name stands for vxlan");
}

#[test]
fn a_fourth_underlay_is_a_named_blind_spot() {
    let devices = [
        card(2, "eth0", "10.0.0.2/24"),
        card(3, "eth1", "10.0.1.2/24"),
        card(4, "eth2", "10.0.2.2/24"),
        card(5, "lima0", "192.168.105.2/24"),
    ];
    let roles = first(&devices, &wanted(&[5], &[]));
    let expected = [
        (2, Point::Underlay1),
        (3, Point::Underlay2),
        (5, Point::Underlay0),
    ];
    assert_eq!(points(&roles), expected);
    assert_eq!(blind(&roles), [("eth2", "underlays_taken")]);
}

#[test]
fn an_underlay_keeps_its_point_while_others_come_and_go() {
    let (eth0, eth1) = (
        card(2, "eth0", "10.0.0.2/24"),
        card(3, "eth1", "10.0.1.2/24"),
    );
    let before = first(&[eth0.clone(), eth1.clone()], &wanted(&[], &[2]));
    assert_eq!(
        points(&before),
        [(2, Point::Underlay0), (3, Point::Underlay1)]
    );

    let rules = Rules::default();
    let without = assign(
        std::slice::from_ref(&eth1),
        &rules,
        &wanted(&[], &[]),
        &before,
    );
    assert_eq!(points(&without), [(3, Point::Underlay1)]);

    let bare = Device {
        addresses: Vec::new(),
        up: false,
        ..eth1
    };
    let lima0 = card(4, "lima0", "192.168.105.2/24");
    let after = assign(&[bare, lima0], &rules, &wanted(&[4], &[4]), &without);
    assert_eq!(
        points(&after),
        [(3, Point::Underlay1), (4, Point::Underlay0)]
    );
}

#[test]
fn a_recreated_underlay_gets_its_old_point() {
    let (eth0, eth1) = (
        card(2, "eth0", "10.0.0.2/24"),
        card(3, "eth1", "10.0.1.2/24"),
    );
    let before = first(&[eth0, eth1.clone()], &wanted(&[], &[]));
    let again = card(9, "eth0", "10.0.0.2/24");
    let after = assign(
        &[eth1, again],
        &Rules::default(),
        &wanted(&[], &[]),
        &before,
    );
    assert_eq!(
        points(&after),
        [(3, Point::Underlay1), (9, Point::Underlay0)]
    );
}

#[test]
fn a_routed_device_takes_the_point_of_one_that_only_holds_an_address() {
    let mut devices = vec![
        card(2, "eth0", "10.0.0.2/24"),
        card(3, "eth1", "10.0.1.2/24"),
        card(4, "eth2", "10.0.2.2/24"),
    ];
    let before = first(&devices, &wanted(&[4], &[]));
    devices.push(card(5, "wlan0", "10.0.3.2/24"));
    let after = assign(&devices, &Rules::default(), &wanted(&[3, 5], &[]), &before);
    let expected = [
        (3, Point::Underlay2),
        (4, Point::Underlay0),
        (5, Point::Underlay1),
    ];
    assert_eq!(points(&after), expected);
    assert_eq!(blind(&after), [("eth0", "underlays_taken")]);
    let settled = assign(&devices, &Rules::default(), &wanted(&[3, 5], &[]), &after);
    assert_eq!(settled, after);
}

#[test]
fn a_tunnel_or_overlay_that_outer_packets_take_is_no_underlay() {
    let devices = [
        device(1, "lo", Kind::Loopback),
        device(4, "tailscale0", Kind::Tun),
        device(5, "flannel.1", vxlan()),
    ];
    let roles = first(&devices, &wanted(&[1, 4, 5], &[4]));
    assert_eq!(points(&roles), [(4, Point::Tunnel), (5, Point::Overlay)]);
    assert_eq!(roles.underlays(), [None; 3]);
}

#[test]
fn an_underlay_without_ethernet_headers_is_a_blind_spot() {
    let devices = [device(2, "wg0", Kind::WireGuard)];
    let roles = first(&devices, &wanted(&[2], &[]));
    assert_eq!(points(&roles), []);
    assert_eq!(blind(&roles), [("wg0", "no_link_layer")]);
}

#[test]
fn an_idle_card_is_no_underlay() {
    let down = Device {
        up: false,
        ..card(2, "eth0", "10.0.0.2/24")
    };
    let devices = [
        down,
        card(3, "eth1", "fe80::1/64"),
        card(4, "wlan0", "10.0.1.2/24"),
    ];
    assert_eq!(first(&devices, &wanted(&[], &[4])), Roles::default());
}

#[test]
fn ports_over_the_limit_are_blind_spots_and_attached_ones_stay() {
    let rules = Rules {
        ports: 2,
        ..Rules::default()
    };
    let bridge = device(3, "cni0", Kind::Bridge);
    let none = wanted(&[], &[]);
    let before = assign(
        &[bridge.clone(), port(8, 3), port(9, 3)],
        &rules,
        &none,
        &Roles::default(),
    );
    let devices = [bridge, port(4, 3), port(8, 3), port(9, 3)];
    let after = assign(&devices, &rules, &none, &before);
    let expected = [(3, Point::Bridge), (8, Point::Port), (9, Point::Port)];
    assert_eq!(points(&after), expected);
    assert_eq!(blind(&after), [("veth4", "port_limit")]);
    assert_eq!(after.pod_point(), Point::Port);
}

#[test]
fn the_bridge_is_the_pod_point_where_no_port_is_attached() {
    let rules = Rules {
        ports: 0,
        ..Rules::default()
    };
    let devices = [device(3, "cni0", Kind::Bridge), port(8, 3)];
    let roles = assign(&devices, &rules, &wanted(&[], &[]), &Roles::default());
    assert_eq!(roles.pod_point(), Point::Bridge);
}
