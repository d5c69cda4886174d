//! Which drops make which finding.

use super::*;
use crate::diagnosis::double_encapsulation::fixture;
use crate::path::{Class, Oversize, UnderlayKind};

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
