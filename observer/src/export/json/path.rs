//! The object of a path. The order of the fields is that of the document.

use std::collections::BTreeMap;

use observer_ebpf::abi::point::Point;
use serde::Serialize;

use super::millis;
use crate::export::names::{ANNOUNCED, DROPPED, place_name, point_role};
use crate::path::{self, Class, Dropped, End, PathReport, Quantiles, RelayBy, RelayMode};

#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    source: Side<'a>,
    destination: Side<'a>,
    class: Option<&'static str>,
    present: bool,
    encap: Option<String>,
    depth: Option<usize>,
    proxy: Option<bool>,
    tailscale_mode: Option<String>,
    tailscale_mode_by: Option<&'static str>,
    derp_region: Option<&'a str>,
    peer_relay: Option<&'a str>,
    intended: Option<&'static str>,
    configured: Option<&'static str>,
    observed: Option<&'static str>,
    mtu: Option<Mtu<'a>>,
    packets: u64,
    bytes: u64,
    points: BTreeMap<&'static str, Counted>,
    fragments: Fragments,
    tcp: Tcp,
    oversize: Option<Oversize<'a>>,
    rtt_ms: RoundTrips,
}

#[derive(Serialize)]
struct Side<'a> {
    node: Option<&'a str>,
    address: Option<String>,
    pod: Option<&'a str>,
    services: Vec<String>,
}

/// What one observation point counted.
#[derive(Default, Serialize)]
struct Counted {
    packets: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Mtu<'a> {
    effective: u32,
    bottleneck: &'a str,
}

#[derive(Serialize)]
struct Fragments {
    inner: u64,
    vxlan: u64,
    wireguard: Option<u64>,
}

#[derive(Serialize)]
struct Tcp {
    mss: Option<u16>,
    with_gaps: u64,
}

#[derive(Serialize)]
struct Oversize<'a> {
    drops: u64,
    proofs: Vec<Proof<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Proof<'a> {
    Dropped {
        #[serde(rename = "proof")]
        kind: &'static str,
        place: &'static str,
        reason: &'a str,
        device: Option<&'a str>,
        mtu: u32,
        packets: u64,
        bytes: u64,
        largest: u32,
    },
    Announced {
        #[serde(rename = "proof")]
        kind: &'static str,
        mtu: Option<u32>,
        announced: u32,
        packets: u64,
        from: String,
    },
}

#[derive(Serialize)]
struct RoundTrips {
    pod: Option<RoundTrip>,
    bridge: Option<RoundTrip>,
    overlay: Option<RoundTrip>,
    tunnel: Option<RoundTrip>,
    underlay: Option<RoundTrip>,
}

#[derive(Serialize)]
struct RoundTrip {
    count: u64,
    p50: f64,
    p99: f64,
}

impl<'a> Line<'a> {
    /// Views and proofs that nothing looks at yet are null, and so is a stack that was not seen
    /// where the road is decided.
    pub(super) fn of(report: &'a PathReport) -> Self {
        let class = report.class_name();
        let is_seen = report.class.is_some();
        let stack =
            (is_seen && report.class != Some(Class::Unknown)).then_some(&report.encapsulation);
        let fragments = report.fragments;
        Self {
            r#type: "path",
            source: side(&report.source),
            destination: side(&report.destination),
            class,
            present: !report.superseded,
            encap: stack.map(ToString::to_string),
            depth: stack.map(crate::path::Encapsulation::depth),
            proxy: report.proxy,
            tailscale_mode: is_seen.then(|| report.relay.to_string()),
            tailscale_mode_by: mode_by(report),
            derp_region: report.derp_region.as_deref(),
            peer_relay: report.peer_relay.as_deref(),
            intended: None,
            configured: None,
            observed: class,
            mtu: report.mtu.as_ref().map(|(effective, bottleneck)| Mtu {
                effective: *effective,
                bottleneck,
            }),
            packets: report.packets,
            bytes: report.bytes,
            points: points(report),
            fragments: Fragments {
                inner: fragments.inner,
                vxlan: fragments.vxlan,
                wireguard: fragments.wireguard,
            },
            tcp: Tcp {
                mss: report.tcp.mss,
                with_gaps: report.tcp.with_gaps,
            },
            oversize: report.oversize.as_ref().map(oversize),
            rtt_ms: round_trips(report),
        }
    }
}

/// Who says the mode, where one is said.
const fn mode_by(report: &PathReport) -> Option<&'static str> {
    match report.relay {
        RelayMode::None | RelayMode::Unknown => None,
        RelayMode::Direct | RelayMode::Overlay | RelayMode::Derp | RelayMode::PeerRelay => {
            Some(match report.relay_by {
                RelayBy::Packets => "packets",
                RelayBy::Tailscaled => "tailscaled",
            })
        }
    }
}

fn oversize(found: &path::Oversize) -> Oversize<'_> {
    let proof = |dropped| {
        let Dropped {
            place,
            reason,
            device,
            mtu,
            packets,
            bytes,
            largest,
            recent: _,
            quiet: _,
        }: &Dropped = dropped;
        Proof::Dropped {
            kind: DROPPED,
            place: place_name(*place),
            reason,
            device: device.as_deref(),
            mtu: *mtu,
            packets: *packets,
            bytes: *bytes,
            largest: *largest,
        }
    };
    let announced = found.announced.iter().map(|told| Proof::Announced {
        kind: ANNOUNCED,
        mtu: told.mtu(),
        announced: told.number,
        packets: told.packets,
        from: told.from.to_string(),
    });
    Oversize {
        drops: found.drops(),
        proofs: found.dropped.iter().map(proof).chain(announced).collect(),
    }
}

fn side(end: &End) -> Side<'_> {
    Side {
        node: end.node.as_deref(),
        address: end.address.map(|address| address.to_string()),
        pod: end.pod.as_deref(),
        services: end.services.iter().map(ToString::to_string).collect(),
    }
}

/// The underlays of a node count as one: a packet leaves by one of them.
fn points(report: &PathReport) -> BTreeMap<&'static str, Counted> {
    let mut points: BTreeMap<_, Counted> = BTreeMap::new();
    for (&point, at) in &report.points {
        let counted = points.entry(point_role(point)).or_default();
        counted.packets += at.packets;
        counted.bytes += at.bytes;
    }
    points
}

fn round_trips(report: &PathReport) -> RoundTrips {
    let of = |points: &[Point]| {
        rtt(report, points).map(|rtt| RoundTrip {
            count: rtt.count,
            p50: millis(rtt.p50),
            p99: millis(rtt.p99),
        })
    };
    RoundTrips {
        // Without ports the bridge is where a pod is first seen.
        pod: of(&[Point::Port]).or_else(|| of(&[Point::Bridge])),
        bridge: of(&[Point::Bridge]),
        overlay: of(&[Point::Overlay]),
        tunnel: of(TUNNELS),
        underlay: of(UNDERLAYS),
    }
}

/// Points that share the column `tunnel`.
pub(in crate::export) const TUNNELS: &[Point] = &[Point::Tunnel, Point::FlannelWg];
/// Points that share the column `underlay`.
pub(in crate::export) const UNDERLAYS: &[Point] =
    &[Point::Underlay0, Point::Underlay1, Point::Underlay2];

/// Round trips at the one of these points that has most samples.
pub(in crate::export) fn rtt(report: &PathReport, points: &[Point]) -> Option<Quantiles> {
    points
        .iter()
        .filter_map(|point| report.points.get(point)?.rtt)
        .max_by_key(|rtt| rtt.count)
}
