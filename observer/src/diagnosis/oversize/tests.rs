//! Which drops make which finding.

use super::*;
use crate::diagnosis::double_encapsulation::fixture;
use crate::path::{Announced, Class, Oversize, UnderlayKind};

const POD: [u8; 4] = [10, 42, 1, 5];
const FAR: [u8; 4] = [10, 42, 2, 7];

fn device(name: &str, mtu: u32) -> Device {
    Device::new(name, mtu, std::iter::empty())
}

fn dropped(place: Place, device: &str, packets: u64) -> Dropped {
    Dropped {
        place,
        reason: "PKT_TOO_BIG".to_owned(),
        device: Some(device.to_owned()),
        mtu: 1_230,
        packets,
        recent: 1,
        bytes: packets * 1_450,
        largest: 1_450,
        quiet: 0,
    }
}

/// A path to the node's pod.
fn path(dropped: Vec<Dropped>) -> PathReport {
    let mut path = fixture::path(Class::Vxlan(UnderlayKind::Lan), 12);
    path.source.address = Some(FAR.into());
    path.destination.address = Some(POD.into());
    path.oversize = Some(Oversize {
        dropped,
        announced: Vec::new(),
    });
    path
}

/// The ids of what both rules find.
fn found(bridge: u32, paths: &[PathReport]) -> Vec<(&'static str, &'static str)> {
    let (bridge, overlay) = (device("cni0", bridge), device("flannel.1", 1_450));
    let facts = OversizeFacts {
        node: "n1",
        paths,
        bridge: Some(&bridge),
        overlay: Some(&overlay),
    };
    let both = stale_mtu(&facts)
        .into_iter()
        .chain(oversize_blackhole(&facts));
    both.map(|finding| {
        assert_eq!(finding.subject.nodes, ["n1"]);
        (finding.cause.id(), finding.fix.id)
    })
    .collect()
}

const STALE: (&str, &str) = ("stale_mtu", "cni0-mtu");
const BLACKHOLE: (&str, &str) = ("oversize_blackhole", "recreate-pods");

#[test]
fn a_narrow_bridge_behind_a_wider_overlay_is_stale() {
    let paths = [path(vec![dropped(Place::IpForward, "cni0", 9)])];
    assert_eq!(found(1_230, &paths), [STALE]);
    assert_eq!(found(1_450, &paths), [], "it was mended since");
    let elsewhere = [path(vec![dropped(Place::IpForward, "eth0", 9)])];
    assert_eq!(found(1_230, &elsewhere), []);
}

#[test]
fn silent_drops_are_a_black_hole_at_every_place() {
    for place in Place::ALL {
        let paths = [path(vec![dropped(place, "veth7", 9)])];
        let expected: &[_] = if place.is_silent() { &[BLACKHOLE] } else { &[] };
        assert_eq!(found(1_450, &paths), expected, "{place:?}");
    }
}

#[test]
fn one_packet_and_what_was_long_ago_prove_nothing() {
    let one = [path(vec![dropped(Place::BridgePort, "veth7", 1)])];
    assert_eq!(found(1_450, &one), []);
    let mut past = dropped(Place::BridgePort, "veth7", 9);
    past.quiet = 7;
    assert_eq!(found(1_450, &[path(vec![past])]), []);
    let mut unseen = path(Vec::new());
    unseen.oversize = None;
    assert_eq!(found(1_450, &[unseen]), []);
}

#[test]
fn the_fix_names_the_pods_that_are_behind_what_is_narrow() {
    let mut back = path(vec![dropped(Place::VethToNode, "veth8", 3)]);
    let other = [10, 42, 1, 6];
    (back.source.address, back.destination.address) = (Some(other.into()), Some(FAR.into()));
    let paths = [path(vec![dropped(Place::BridgePort, "veth7", 4)]), back];
    let bridge = device("cni0", 1_450);
    let facts = OversizeFacts {
        node: "n1",
        paths: &paths,
        bridge: Some(&bridge),
        overlay: None,
    };
    let finding = oversize_blackhole(&facts).expect("a finding");
    assert!(
        finding.fix.text.contains("10.42.1.5, 10.42.1.6"),
        "{finding:#?}"
    );
    assert!(!finding.fix.text.contains("10.42.2.7"), "{finding:#?}");
    let ladder = &finding.evidence[2];
    assert_eq!(ladder.id, "mtu_ladder");
    for part in [
        "cni0 has MTU 1450",
        "veth7 has MTU 1230",
        "veth8 has MTU 1230",
    ] {
        assert!(ladder.text.contains(part), "{part} in {}", ladder.text);
    }
    assert!(
        finding.evidence[0].text.starts_with("7 packets"),
        "{finding:#?}"
    );
}

/// The far end's node has told this node's pod.
fn announced(number: u32, quiet: u16) -> Announced {
    Announced {
        from: [10, 42, 2, 0].into(),
        number,
        packets: 4,
        recent: 1,
        quiet,
    }
}

#[test]
fn a_sender_that_was_told_as_little_is_not_in_the_dark() {
    for (number, quiet, expected) in [
        (1_230, 0, &[][..]),
        (1_200, 0, &[]),
        (1_231, 0, &[BLACKHOLE]),
        (0, 0, &[BLACKHOLE]),
        (1_230, 7, &[BLACKHOLE]),
    ] {
        let mut told = path(vec![dropped(Place::VethToNode, "veth7", 9)]);
        if let Some(found) = &mut told.oversize {
            found.announced = vec![announced(number, quiet)];
        }
        assert_eq!(found(1_450, &[told]), expected, "{number}, {quiet}");
    }
}

type Rule = fn(&OversizeFacts<'_>) -> Option<Finding>;

#[test]
fn what_the_senders_were_told_stands_beside_the_drops() {
    let told = |place, device, number| {
        let mut told = path(vec![dropped(place, device, 9)]);
        if let Some(found) = &mut told.oversize {
            found.announced = vec![announced(number, 0)];
        }
        [told, path(vec![dropped(place, device, 2)])]
    };
    let (bridge, overlay) = (device("cni0", 1_230), device("flannel.1", 1_450));
    let rules: [(_, Rule); 2] = [
        (told(Place::IpForward, "cni0", 1_230), stale_mtu),
        (told(Place::BridgePort, "veth7", 1_400), oversize_blackhole),
    ];
    for (paths, rule) in rules {
        let facts = OversizeFacts {
            node: "n1",
            paths: &paths,
            bridge: Some(&bridge),
            overlay: Some(&overlay),
        };
        let finding = rule(&facts).expect("a finding");
        let number = paths[0].oversize.as_ref().expect("seen").announced[0].number;
        let said = format!(
            "MTU {number} was announced by 10.42.2.0 to the sender of 10.42.2.7 > 10.42.1.5 (4 ICMP \
             errors)"
        );
        let last = finding.evidence.last().expect("evidence");
        assert_eq!((last.id, &last.text), ("announced_mtu", &said));
        let untold = OversizeFacts {
            paths: &paths[1..],
            ..facts
        };
        let finding = rule(&untold).expect("a finding");
        let mut ids = finding.evidence.iter().map(|fact| fact.id);
        assert!(!ids.any(|id| id == "announced_mtu"), "{finding:#?}");
    }
}
