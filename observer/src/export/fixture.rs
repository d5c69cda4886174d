//! Values that the tests of this module share.

use std::collections::BTreeMap;

use observer_ebpf::abi::drop::Place;
use observer_ebpf::abi::point::{Hook, Point};

use crate::diagnosis::{Cause, Evidence, Finding, Fix, Subject};
use crate::latency::{Identity, RoundTrip, Side, Sighting};
use crate::path::{
    Announced, Class, Dropped, Encapsulation, End, Fragments, Layer, Oversize, PathReport,
    PointReport, Quantiles, RelayMode, TcpReport, UnderlayKind,
};
use crate::path::{Device, Devices};

/// n1's pod to n2's pod by VXLAN on the LAN.
pub(crate) fn report() -> PathReport {
    let end = |node: &str, address: [u8; 4], pod: Option<&str>| End {
        node: Some(node.to_owned()),
        address: Some(address.into()),
        pod: pod.map(str::to_owned),
        services: Vec::new(),
    };
    let at = |p50| PointReport {
        packets: 120,
        bytes: 96_000,
        rtt: Some(Quantiles {
            count: 60,
            p50,
            p99: 2 * p50,
        }),
        rtt_samples: vec![(p50 - 1_000, Some(p50 + 1_000), 3)],
    };
    PathReport {
        source: end("n1", [10, 42, 1, 5], Some("shop/web-0")),
        destination: end("n2", [10, 42, 2, 7], None),
        class: Some(Class::Vxlan(UnderlayKind::Lan)),
        encapsulation: Encapsulation(vec![Layer::Vxlan]),
        underlay: Some(UnderlayKind::Lan),
        relay: RelayMode::None,
        relay_by: crate::path::RelayBy::Packets,
        derp_region: None,
        peer_relay: None,
        packets: 120,
        bytes: 96_000,
        fragments: Fragments {
            inner: 0,
            vxlan: 4,
            wireguard: None,
        },
        tcp: TcpReport {
            mss: Some(1_400),
            with_gaps: 2,
        },
        points: BTreeMap::from([
            (Point::Port, at(421_000)),
            (Point::Overlay, at(400_000)),
            (Point::Underlay0, at(390_000)),
        ]),
        mtu: Some((1450, "flannel.1".to_owned())),
        peer: None,
        idle: 0,
        source_is_local: true,
        superseded: false,
        oversize: Some(Oversize {
            dropped: vec![dropped()],
            announced: vec![announced()],
        }),
        confirmed: true,
        earlier: 1,
        proxy: Some(false),
    }
}

/// Three packets that n1's bridge did not hand on, one of them of late.
pub(super) fn dropped() -> Dropped {
    Dropped {
        place: Place::BridgePort,
        reason: "NOT_SPECIFIED".to_owned(),
        device: Some("veth7".to_owned()),
        mtu: 1230,
        packets: 3,
        recent: 1,
        bytes: 4_200,
        largest: 1_450,
        quiet: 0,
    }
}

/// Two errors that name no MTU that could be one, one of them of late.
pub(super) fn announced() -> Announced {
    Announced {
        from: [10, 42, 2, 1].into(),
        number: 0,
        packets: 2,
        recent: 1,
        quiet: 0,
    }
}

/// Double encapsulation between n1 and n2.
pub(super) fn finding() -> Finding {
    Finding {
        cause: Cause::DoubleEncapsulation,
        subject: Subject {
            nodes: vec!["n1".to_owned(), "n2".to_owned()],
        },
        confidence: 0.9,
        cost: 0,
        evidence: vec![Evidence {
            id: "stack_observed",
            text: "12 packets had the stack wireguard>vxlan".to_owned(),
        }],
        fix: Fix {
            id: "flannel-iface-lan",
            text: "set `flannel-iface: eth0` in /etc/rancher/k3s/config.yaml".to_owned(),
            side_effects: vec!["LAN traffic is no longer encrypted".to_owned()],
        },
        refuted_by: "a router".to_owned(),
    }
}

/// A TCP round trip of 500 us whose data passed these points 10 us after one another.
pub(super) fn round_trip(side: Side, points: &[Point]) -> RoundTrip {
    let steps = points.iter().zip(0..);
    RoundTrip {
        identity: Identity {
            answer: 1,
            probe: 2,
            ack: 3,
            protocol: 6,
        },
        side,
        source: ([10, 42, 1, 5].into(), 40_000),
        destination: ([10, 42, 2, 7].into(), 80),
        protocol: 6,
        path: 4,
        sightings: steps
            .map(|(&point, step)| Sighting {
                point,
                reply_hook: Hook::Egress,
                reply_time: 1_500_000 - step * 20_000,
                rtt: 500_000 - step * 30_000,
            })
            .collect(),
    }
}

/// Devices of a flannel node.
pub(super) fn interfaces() -> Devices {
    let device = |name: &str, mtu| Device::new(name, mtu, std::iter::empty());
    let devices = [
        (Point::Bridge, device("cni0", 1450)),
        (Point::Overlay, device("flannel.1", 1450)),
        (Point::Underlay0, device("eth0", 1500)),
    ];
    devices.into_iter().collect()
}
