//! From a snapshot to reports: one per ordered pair that was seen, and the collected external and
//! host traffic. Pure: what the kernel's routing says of a peer is an argument.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::key::PairKey;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::row::Row;
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST, PATH_REFUSED, PATH_UNKNOWN};

use crate::path::{
    Device, End, Evidence, Fragments, Observation, PathReport, PathTable, PointReport, Quantiles,
    UnderlayKind, classify,
};

use super::{Direction, RowStore, Snapshot};

/// L3 bytes that VXLAN puts around an inner packet over IPv4 (RFC 7348: IP, UDP, VXLAN, Ethernet).
const VXLAN_OVERHEAD: u32 = 50;

/// What the agent knows beside the maps.
#[derive(Debug)]
pub struct Context<'a> {
    /// This node's name.
    pub node: &'a str,
    /// Device per point; ports are left out, since there are many.
    pub devices: &'a BTreeMap<Point, Device>,
    /// Kind of underlay per (point, peer).
    pub underlays: &'a HashMap<(Point, IpAddr), UnderlayKind>,
    /// What earlier sweeps saw of directions that were idle in this one.
    pub remembered: &'a mut HashMap<(u16, FlowDirection), Direction>,
}

/// Makes the reports of all paths.
#[must_use]
pub fn assemble(
    snapshot: &Snapshot,
    paths: &PathTable,
    context: &mut Context<'_>,
) -> Vec<PathReport> {
    let mut reports = Vec::new();
    for (number, pair) in paths.iter() {
        for direction in FlowDirection::ALL {
            reports.extend(pair_report(
                snapshot,
                number,
                Some(pair),
                direction,
                context,
            ));
        }
    }
    for number in [PATH_UNKNOWN, PATH_REFUSED, PATH_EXTERNAL, PATH_HOST] {
        reports.extend(collected(snapshot, number, context));
    }
    reports
}

fn pair_report(
    snapshot: &Snapshot,
    number: u16,
    pair: Option<PairKey>,
    direction: FlowDirection,
    context: &mut Context<'_>,
) -> Option<PathReport> {
    let points = points(&snapshot.rows, number, direction);
    if points.is_empty() {
        return None;
    }
    let key = (number, direction);
    if let Some(seen) = snapshot.seen.direction(number, direction) {
        let before = context.remembered.remove(&key).unwrap_or_default();
        context.remembered.insert(key, seen.clone().after(&before));
    } else if let Some(held) = context.remembered.get_mut(&key) {
        held.idle = held.idle.saturating_add(1);
    }
    let seen = context.remembered.get(&key).cloned().unwrap_or_default();
    let evidence = judge(snapshot, number, &seen, context);
    let source_is_local = leaves_a_pod(seen.bits);
    let mtu = mtu(seen.bits, context.devices);
    let firm = seen.firm();
    let confirmed = judge(snapshot, number, &firm, context) == evidence
        && leaves_a_pod(firm.bits) == source_is_local
        && self::mtu(firm.bits, context.devices) == mtu
        && peer(snapshot, &firm) == peer(snapshot, &seen);
    let destination_is_local = reaches_a_pod(seen.bits);
    let here = |local: bool| local.then(|| context.node.to_owned());
    let (source, destination) = pair.map_or((None, None), |pair| ends(pair, direction));
    Some(PathReport {
        source: End {
            node: here(source_is_local),
            address: source,
            pod: None,
        },
        destination: End {
            node: here(destination_is_local),
            address: destination,
            pod: None,
        },
        mtu,
        peer: peer(snapshot, &seen),
        idle: seen.idle,
        source_is_local,
        confirmed,
        ..report(snapshot, number, direction, evidence, points)
    })
}

fn judge(snapshot: &Snapshot, number: u16, seen: &Direction, context: &Context<'_>) -> Evidence {
    classify(&Observation {
        path: number,
        bits: seen.bits,
        underlay: underlay(snapshot, seen, context),
    })
}

/// Both directions of a reserved path as one report: the order of strangers' addresses says nothing.
fn collected(snapshot: &Snapshot, number: u16, context: &mut Context<'_>) -> Option<PathReport> {
    let [forth, back] =
        FlowDirection::ALL.map(|direction| pair_report(snapshot, number, None, direction, context));
    let (mut sum, other) = match (forth, back) {
        (Some(forth), Some(back)) => (forth, back),
        (Some(only), None) | (None, Some(only)) => return Some(without_ends(only)),
        (None, None) => return None,
    };
    for (point, report) in other.points {
        let merged = sum.points.entry(point).or_default();
        merged.packets += report.packets;
        merged.bytes += report.bytes;
        merged.rtt_samples.extend(report.rtt_samples);
        let samples = |rtt: Option<Quantiles>| rtt.map_or(0, |rtt| rtt.count);
        if samples(report.rtt) > samples(merged.rtt) {
            merged.rtt = report.rtt;
        }
    }
    sum.packets += other.packets;
    sum.bytes += other.bytes;
    sum.fragments.inner += other.fragments.inner;
    sum.fragments.vxlan += other.fragments.vxlan;
    Some(without_ends(sum))
}

fn without_ends(mut report: PathReport) -> PathReport {
    (report.source.node, report.destination.node) = (None, None);
    (report.source_is_local, report.mtu, report.peer) = (false, None, None);
    report
}

fn report(
    snapshot: &Snapshot,
    number: u16,
    direction: FlowDirection,
    evidence: Evidence,
    points: BTreeMap<Point, PointReport>,
) -> PathReport {
    let (packets, bytes) = points
        .values()
        .next()
        .map_or((0, 0), |first| (first.packets, first.bytes));
    let nothing = End {
        node: None,
        address: None,
        pod: None,
    };
    PathReport {
        source: nothing.clone(),
        destination: nothing,
        class: Some(evidence.class),
        encapsulation: evidence.encapsulation,
        underlay: evidence.underlay,
        relay: evidence.relay,
        packets,
        bytes,
        fragments: fragments(&snapshot.rows, number, direction),
        points,
        mtu: None,
        peer: None,
        idle: 0,
        source_is_local: false,
        confirmed: false,
    }
}

fn points(rows: &RowStore, number: u16, direction: FlowDirection) -> BTreeMap<Point, PointReport> {
    let of = |point| {
        let row = Row::new(number, point, direction);
        let total = rows.total(row)?;
        let report = PointReport {
            packets: total.segments,
            bytes: total.bytes,
            rtt: total.quantiles(),
            rtt_samples: rows.recent(row).samples(),
        };
        Some((point, report))
    };
    Point::ALL.into_iter().filter_map(of).collect()
}

/// Inner fragments where most of them passed: each point counts all of them again.
fn fragments(rows: &RowStore, number: u16, direction: FlowDirection) -> Fragments {
    let most = |of: fn(&super::RowValue) -> u64| {
        Point::ALL
            .into_iter()
            .filter_map(|point| rows.total(Row::new(number, point, direction)))
            .map(|row| of(&row))
            .max()
            .unwrap_or(0)
    };
    Fragments {
        inner: most(|row| row.inner_fragments),
        vxlan: most(|row| row.first_outer_fragments),
        wireguard: None,
    }
}

fn underlay(snapshot: &Snapshot, seen: &Direction, context: &Context<'_>) -> Option<UnderlayKind> {
    seen.outer
        .iter()
        .filter(|(point, _)| point.is_underlay())
        .flat_map(|&(point, hash)| {
            snapshot
                .outer
                .peers(point, hash)
                .map(move |peer| (point, peer))
        })
        .find_map(|key| context.underlays.get(&key).copied())
}

/// The VTEP that the innermost outer packets, seen first at the tunnel, are exchanged with.
fn peer(snapshot: &Snapshot, seen: &Direction) -> Option<IpAddr> {
    seen.outer
        .iter()
        .find_map(|&(point, hash)| snapshot.outer.peers(point, hash).next())
}

/// (source, destination) of packets of this direction.
fn ends(pair: PairKey, direction: FlowDirection) -> (Option<IpAddr>, Option<IpAddr>) {
    let (low, high) = (Some(pair.low.into()), Some(pair.high.into()));
    match direction {
        FlowDirection::LowToHigh => (low, high),
        FlowDirection::HighToLow => (high, low),
    }
}

/// The data came out of a pod of this node.
fn leaves_a_pod(bits: u32) -> bool {
    at_pod_point(bits, Hook::Ingress)
}

/// The data went into a pod of this node.
fn reaches_a_pod(bits: u32) -> bool {
    at_pod_point(bits, Hook::Egress)
}

fn at_pod_point(bits: u32, hook: Hook) -> bool {
    [Point::Port, Point::Bridge]
        .into_iter()
        .any(|point| bits & (1 << trajectory_bit(Site { point, hook }, Carriage::Plain)) != 0)
}

/// The largest inner packet that no device of the path has to cut, and the outermost device that
/// sets it.
fn mtu(bits: u32, devices: &BTreeMap<Point, Device>) -> Option<(u32, String)> {
    let mut least: Option<(u32, String)> = None;
    for (&point, device) in devices {
        for (carriage, overhead) in [(Carriage::Plain, 0), (Carriage::Vxlan, VXLAN_OVERHEAD)] {
            let passed = Hook::ALL
                .into_iter()
                .any(|hook| bits & (1 << trajectory_bit(Site { point, hook }, carriage)) != 0);
            let room = device.mtu.saturating_sub(overhead);
            if passed && least.as_ref().is_none_or(|(known, _)| room <= *known) {
                least = Some((room, device.name.clone()));
            }
        }
    }
    least
}
