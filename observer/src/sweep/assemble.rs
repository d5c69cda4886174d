//! From a snapshot to reports: one per ordered pair that was seen and class, and the collected
//! external and host traffic. Pure: what the kernel's routing says of a peer is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use observer_ebpf::abi::biflow::{Carriage, trajectory_bit};
use observer_ebpf::abi::key::PairKey;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point, Site};
use observer_ebpf::abi::row::Row;
use observer_ebpf::abi::{PATH_EXTERNAL, PATH_HOST, PATH_REFUSED, PATH_UNKNOWN};

use crate::path::{
    Devices, End, Evidence, Observation, Oversize, PathReport, PathTable, PointReport, Quantiles,
    RelayMode, RelayModes, TcpReport, UnderlayKind, classify,
};

use super::classes::{Classes, Values};
use super::crossed::moved;
use super::fragments::fragments;
use super::nesting::{nested, within};
use super::overhead::vxlan;
use super::plain::leaves_plain;
use super::proxy::Carried;
use super::{Direction, DropNames, RowStore, Snapshot};
use crate::translation::Known;

/// What the agent knows beside the maps.
#[derive(Debug)]
pub struct Context<'a> {
    /// This node's name.
    pub node: &'a str,
    /// Devices of the points; ports are left out, since there are many.
    pub devices: &'a Devices,
    /// Kind of underlay per (point, peer).
    pub underlays: &'a HashMap<(Point, IpAddr), UnderlayKind>,
    /// Far pods that the kernel finds by a default route alone.
    pub strays: &'a BTreeSet<IpAddr>,
    /// Flows with several keys, and the Services among those.
    pub translations: &'a Known,
    /// What earlier sweeps saw.
    pub remembered: &'a mut Remembered,
    /// How tailscaled carries each path.
    pub relay: &'a mut RelayModes,
    /// What names drops; `None` while nothing looks for them.
    pub drops: Option<DropNames<'a>>,
}

/// What earlier sweeps saw of each direction.
pub type Remembered = HashMap<(u16, FlowDirection), Memory>;

/// What earlier sweeps saw of one direction.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    seen: Direction,
    /// True if what `seen` was judged by is firm.
    confirmed: bool,
    reports: u8,
    classes: Classes,
    carried: Carried,
}

impl Memory {
    pub(super) const fn seen(&self) -> &Direction {
        &self.seen
    }
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
            let present = pair_report(snapshot, number, Some(pair), direction, context);
            let is_seen = present.is_some();
            reports.extend(present);
            let memory = context.remembered.get_mut(&(number, direction));
            if let Some(memory) = memory.filter(|_| is_seen) {
                reports.extend(memory.classes.former());
            }
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
    let total = totals(&snapshot.rows, number, direction);
    let dropped = |names| Oversize {
        dropped: snapshot.drops.of(number, direction, names),
        announced: snapshot.announced.of(number, direction),
    };
    let oversize = context.drops.map(dropped);
    let is_too_long = |found: &Oversize| found.drops() > 0 || !found.announced.is_empty();
    if total.is_empty() && !oversize.as_ref().is_some_and(is_too_long) {
        return None;
    }
    let mut memory = context
        .remembered
        .remove(&(number, direction))
        .unwrap_or_default();
    look_again(&mut memory, snapshot, (number, direction, pair), context);
    let (seen, values) = (&memory.seen, memory.classes.present(&total));
    let evidence = memory.classes.evidence()?.clone();
    let source_is_local = leaves_a_pod(seen.bits);
    let destination_is_local = reaches_a_pod(seen.bits);
    let (source, destination) = pair.map_or((None, None), |pair| ends(pair, direction));
    let end = |address: Option<IpAddr>, is_local: bool| End {
        node: is_local.then(|| context.node.to_owned()),
        address,
        pod: None,
        services: services(context.translations, number, address),
    };
    let points = points(&snapshot.rows, number, direction, &values);
    let report = PathReport {
        source: end(source, source_is_local),
        destination: end(destination, destination_is_local),
        mtu: mtu(snapshot, seen, pair, context.devices),
        peer: peer(snapshot, seen),
        tcp: seen.tcp,
        idle: seen.idle,
        source_is_local,
        confirmed: memory.confirmed,
        earlier: memory.reports,
        oversize,
        proxy: pair.map(|_| memory.carried.is_proxy()),
        ..report(evidence, points, &values)
    };
    memory.reports = memory.reports.saturating_add(1);
    memory.classes.keep(&report);
    context.remembered.insert((number, direction), memory);
    Some(report)
}

/// Takes what this sweep saw of a direction, unless it shows less of the way than was known.
fn look_again(
    memory: &mut Memory,
    snapshot: &Snapshot,
    (number, direction, pair): (u16, FlowDirection, Option<PairKey>),
    context: &mut Context<'_>,
) {
    let fresh = snapshot.seen.direction(number, direction);
    if fresh.is_none() {
        memory.seen.idle = memory.seen.idle.saturating_add(1);
        // The road of what was seen may be known by now.
        if !memory.classes.is_open() {
            return;
        }
    }
    let seen = fresh
        .cloned()
        .map_or_else(|| memory.seen.clone(), |fresh| fresh.after(&memory.seen));
    if let Some(fresh) = fresh {
        memory.carried.add(fresh);
    }
    let is_proxy = memory.carried.is_proxy();
    let key = (number, direction);
    let relay = moved(snapshot, key, pair, &seen).map_or(RelayMode::Unknown, |(moved, _)| {
        context.relay.of(key, moved)
    });
    let destination = pair.and_then(|pair| ends(pair, direction).1);
    let is_stray = |address: IpAddr| context.strays.contains(&address);
    let judge = |seen: &Direction| {
        classify(&Observation {
            path: number,
            bits: seen.bits,
            nested: nested(snapshot, seen),
            underlay: underlay(snapshot, seen, context),
            relay,
            strays: leaves_plain(seen.bits) && destination.is_some_and(is_stray),
            is_proxy,
        })
    };
    let (found, firm) = (judge(&seen), seen.firm());
    let confirmed = judge(&firm) == found
        && leaves_a_pod(firm.bits) == leaves_a_pod(seen.bits)
        && mtu(snapshot, &firm, pair, context.devices)
            == mtu(snapshot, &seen, pair, context.devices)
        && peer(snapshot, &firm) == peer(snapshot, &seen);
    let rows = &snapshot.rows;
    let total = totals(rows, number, direction);
    let recent = Point::ALL
        .into_iter()
        .map(|point| (point, rows.recent(Row::new(number, point, direction))));
    if memory.classes.decide(&found, &total, &recent.collect()) {
        memory.seen = seen;
        memory.confirmed = confirmed;
    } else {
        memory.seen.idle = 0;
    }
}

fn services(known: &Known, number: u16, address: Option<IpAddr>) -> Vec<SocketAddr> {
    address.map_or_else(Vec::new, |address| {
        known.services(number, address).collect()
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
    if let (Some(sum), Some(other)) = (&mut sum.oversize, other.oversize) {
        sum.dropped.extend(other.dropped);
        sum.announced.extend(other.announced);
    }
    Some(without_ends(sum))
}

fn without_ends(mut report: PathReport) -> PathReport {
    (report.source.node, report.destination.node) = (None, None);
    (report.source_is_local, report.mtu, report.peer) = (false, None, None);
    report.tcp = TcpReport::default();
    report
}

fn report(evidence: Evidence, points: BTreeMap<Point, PointReport>, values: &Values) -> PathReport {
    let (packets, bytes) = points
        .values()
        .next()
        .map_or((0, 0), |first| (first.packets, first.bytes));
    let nothing = End {
        node: None,
        address: None,
        pod: None,
        services: Vec::new(),
    };
    PathReport {
        source: nothing.clone(),
        destination: nothing,
        class: Some(evidence.class),
        encapsulation: evidence.encapsulation,
        underlay: evidence.underlay,
        relay: evidence.relay,
        relay_by: crate::path::RelayBy::Packets,
        derp_region: None,
        peer_relay: None,
        packets,
        bytes,
        fragments: fragments(values),
        tcp: TcpReport::default(),
        oversize: None,
        points,
        mtu: None,
        peer: None,
        idle: 0,
        source_is_local: false,
        superseded: false,
        confirmed: false,
        earlier: 0,
        proxy: None,
    }
}

/// All that the rows of a direction hold, whatever the class.
fn totals(rows: &RowStore, number: u16, direction: FlowDirection) -> Values {
    let of = |point| Some((point, rows.total(Row::new(number, point, direction))?));
    Point::ALL.into_iter().filter_map(of).collect()
}

fn points(
    rows: &RowStore,
    number: u16,
    direction: FlowDirection,
    values: &Values,
) -> BTreeMap<Point, PointReport> {
    let of = |(&point, value): (&Point, &super::RowValue)| {
        let recent = rows.recent(Row::new(number, point, direction));
        let report = PointReport {
            packets: value.segments,
            bytes: value.bytes,
            rtt: value.quantiles(),
            rtt_samples: recent.samples(),
        };
        (point, report)
    };
    values.iter().map(of).collect()
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
pub(super) fn ends(pair: PairKey, direction: FlowDirection) -> (Option<IpAddr>, Option<IpAddr>) {
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
fn mtu(
    snapshot: &Snapshot,
    seen: &Direction,
    pair: Option<PairKey>,
    devices: &Devices,
) -> Option<(u32, String)> {
    let inner = IpAddr::from(pair?.low);
    let first = vxlan(peer(snapshot, seen).unwrap_or(inner));
    let mut least: Option<(u32, String)> = None;
    for point in Point::ALL {
        let Some(device) = devices.carrying(point, inner) else {
            continue;
        };
        let around = first + within(snapshot, seen, point).bytes();
        for (carriage, overhead) in [(Carriage::Plain, 0), (Carriage::Vxlan, around)] {
            let bits = seen.bits;
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

#[cfg(test)]
mod tests;
