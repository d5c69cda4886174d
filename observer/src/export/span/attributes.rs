//! Attributes of spans. What is not known is left out.

use std::net::IpAddr;

use observer_ebpf::abi::point::Point;

use super::identifier::Part;
use super::{Context, OtherEnd};
use crate::export::Attribute;
use crate::export::names::attribute as name;
use crate::export::names::{ANNOUNCED, DROPPED, place_name, point_name, point_role};
use crate::latency::{Half, Lost, RoundTrip, Side, Sighting};
use crate::path::{Class, End, PathReport};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: [u8; 2] = [1, 58];

/// Attributes of a CLIENT or SERVER span.
pub(super) fn root(trip: &RoundTrip, at: &Sighting, context: &Context<'_>) -> Vec<Attribute> {
    let mut list = List(Vec::with_capacity(32));
    transport(&mut list, trip);
    list.add(name::POINT, point_role(at.point));
    interface(&mut list, at.point, trip, context);
    if let Some(path) = context.path {
        ends(&mut list, trip.side, path);
        road(&mut list, path);
        oversize(&mut list, path);
    }
    if let Some(finding) = context.finding {
        list.add(name::FINDING, finding.cause.id());
        list.add(name::FIX, finding.fix.id);
        list.add(name::CONFIDENCE, finding.confidence);
    }
    if context.other_end == OtherEnd::Nobody {
        list.add(name::SIDES, 1_u32);
    }
    list.0
}

/// What the root of a lost packet says beside.
pub(super) fn outcome(lost: &Lost) -> Vec<Attribute> {
    let half = match lost.half {
        Half::Data => "data",
        Half::Reply => "reply",
    };
    vec![
        Attribute::new(name::OUTCOME, "no_reply"),
        Attribute::new(name::LAST_SEEN, point_role(lost.last_seen)),
        Attribute::new(name::DIRECTION, half),
    ]
}

/// Attributes of an INTERNAL span that leaves `from`.
pub(super) fn place(
    trip: &RoundTrip,
    (near, far): (&Sighting, Option<&Sighting>),
    from: Option<Point>,
    part: Part,
    context: &Context<'_>,
) -> Vec<Attribute> {
    let mut list = List(Vec::with_capacity(5));
    list.some(name::CLASS, context.path.and_then(PathReport::class_name));
    match part {
        Part::Data => list.add(name::DIRECTION, "data"),
        Part::Reply => list.add(name::DIRECTION, "reply"),
        Part::Beyond => {}
    }
    if let Some(far) = far {
        // Pod first on both nodes: data comes in from the wire at the destination.
        let (inner, outer) = match trip.side {
            Side::Source | Side::Transit => (near, far),
            Side::Destination => (far, near),
        };
        let segment = format!("{}>{}", point_name(inner.point), point_name(outer.point));
        list.add(name::SEGMENT, segment);
    }
    if let Some(from) = from {
        list.add(name::POINT, point_role(from));
        interface(&mut list, from, trip, context);
    }
    list.0
}

fn transport(list: &mut List, trip: &RoundTrip) {
    let transport = match trip.protocol {
        TCP => Some("tcp"),
        UDP => Some("udp"),
        protocol if ICMP.contains(&protocol) => Some("icmp"),
        _ => None,
    };
    list.some(name::NETWORK_TRANSPORT, transport);
    // Nothing else over UDP is timed.
    list.some(
        name::NETWORK_PROTOCOL_NAME,
        (trip.protocol == UDP).then_some("dns"),
    );
    list.add(
        name::NETWORK_TYPE,
        match trip.source.0 {
            IpAddr::V4(_) => "ipv4",
            IpAddr::V6(_) => "ipv6",
        },
    );
    let (local, peer) = match trip.side {
        Side::Source | Side::Transit => (trip.source, trip.destination),
        Side::Destination => (trip.destination, trip.source),
    };
    let has_ports = matches!(trip.protocol, TCP | UDP);
    let names = [
        (name::SOURCE_ADDRESS, name::SOURCE_PORT, trip.source),
        (
            name::DESTINATION_ADDRESS,
            name::DESTINATION_PORT,
            trip.destination,
        ),
        (name::NETWORK_LOCAL_ADDRESS, name::NETWORK_LOCAL_PORT, local),
        (name::NETWORK_PEER_ADDRESS, name::NETWORK_PEER_PORT, peer),
    ];
    for (address, port, end) in names {
        list.add(address, end.0.to_string());
        list.some(port, has_ports.then_some(u32::from(end.1)));
    }
}

fn ends(list: &mut List, side: Side, path: &PathReport) {
    let PathReport {
        source,
        destination,
        ..
    } = path;
    list.some(name::SOURCE_NODE, source.node.clone());
    list.some(name::SOURCE_POD, source.pod.clone());
    list.some(name::DESTINATION_NODE, destination.node.clone());
    list.some(name::DESTINATION_POD, destination.pod.clone());
    let local: &End = match side {
        Side::Source | Side::Transit => source,
        Side::Destination => destination,
    };
    if let Some((namespace, pod)) = local.pod.as_deref().and_then(|pod| pod.split_once('/')) {
        list.add(name::K8S_NAMESPACE_NAME, namespace.to_owned());
        list.add(name::K8S_POD_NAME, pod.to_owned());
    }
    if side == Side::Source
        && let Some(peer) = peer(path)
    {
        list.add(name::PEER_SERVICE, peer.clone());
        list.add(name::SERVICE_PEER_NAME, peer);
    }
}

/// The node at the other end, else what is known of it in a word of few values: that it is no node, or
/// its VTEP.
fn peer(path: &PathReport) -> Option<String> {
    let external = (path.class == Some(Class::External)).then(|| Class::External.name().to_owned());
    let vtep = || path.peer.map(|vtep| vtep.to_string());
    path.destination.node.clone().or(external).or_else(vtep)
}

fn road(list: &mut List, path: &PathReport) {
    if let Some(class) = path.class {
        list.add(name::CLASS, class.name_in(path.relay));
        list.add(name::TAILSCALE_MODE, path.relay.to_string());
        if class != Class::Unknown {
            list.add(name::ENCAP, path.encapsulation.to_string());
            let depth = u32::try_from(path.encapsulation.depth()).unwrap_or(u32::MAX);
            list.add(name::ENCAP_DEPTH, depth);
        }
    }
    list.some(name::PROXY, path.proxy);
    list.some(name::UNDERLAY, path.underlay.map(|kind| kind.to_string()));
    if let Some((mtu, device)) = &path.mtu {
        list.add(name::MTU_EFFECTIVE, *mtu);
        list.add(name::MTU_BOTTLENECK, device.clone());
    }
}

/// The drops that go on, and where most of them are; without any the smallest MTU that is announced.
fn oversize(list: &mut List, path: &PathReport) {
    let Some(found) = &path.oversize else { return };
    let Some(most) = found.live().next() else {
        if let Some(mtu) = found.announced_mtu() {
            list.add(name::OVERSIZE_PROOF, ANNOUNCED);
            list.add(name::OVERSIZE_MTU, mtu);
        }
        return;
    };
    let packets: u64 = found.live().map(|dropped| dropped.packets).sum();
    list.add(
        name::OVERSIZE_DROPS,
        u32::try_from(packets).unwrap_or(u32::MAX),
    );
    list.add(name::OVERSIZE_PROOF, DROPPED);
    list.add(name::OVERSIZE_PLACE, place_name(most.place));
    list.some(name::OVERSIZE_DEVICE, most.device.clone());
    list.add(name::OVERSIZE_MTU, most.mtu);
}

fn interface(list: &mut List, point: Point, trip: &RoundTrip, context: &Context<'_>) {
    let device = context.interfaces.carrying(point, trip.source.0);
    list.some(
        name::NETWORK_INTERFACE_NAME,
        device.map(|device| device.name.clone()),
    );
}

struct List(Vec<Attribute>);

impl List {
    fn add(&mut self, name: &'static str, value: impl Into<crate::export::Value>) {
        self.0.push(Attribute::new(name, value));
    }

    fn some<T: Into<crate::export::Value>>(&mut self, name: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}
