//! The records of one reply as one round trip: its ends, where this node stands, what each point says.
//! It joins nothing.

use std::net::IpAddr;

use observer_ebpf::abi::FIRST_PATH;
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::point::{FlowDirection, Hook, Point};

use super::{Identity, RoundTrip, Side, Sighting};

/// The round trip that these records of one reply tell of; none without records.
pub(super) fn round_trip(identity: Identity, mut events: Vec<Event>) -> Option<RoundTrip> {
    // The reply passes the points in the reverse order of the data. Its times are exact to the
    // nanosecond; round-trip times are rounded to ticks.
    events.sort_by_key(|event| std::cmp::Reverse(event.time));
    // No NAT has rewritten the reply's destination when it passed last, nor its source when it
    // passed first.
    let source = ends(events.first()?)?.destination;
    let source = (source.0, identity.source_port(source.1));
    let destination = ends(events.last()?)?.source;
    let nearest_pod = *events.iter().min_by_key(|event| event.point)?;
    let named = events.iter().find(|event| event.path >= FIRST_PATH);
    let mut sightings: Vec<Sighting> = Vec::new();
    for seen in events.iter().filter_map(sighting) {
        // A point that was passed twice is told by its side nearer to the data's source.
        if !sightings.iter().any(|held| held.point == seen.point) {
            sightings.push(seen);
        }
    }
    Some(RoundTrip {
        identity,
        side: side(&nearest_pod)?,
        source,
        destination,
        protocol: nearest_pod.key.protocol,
        path: named.unwrap_or(&nearest_pod).path,
        sightings,
    })
}

fn sighting(event: &Event) -> Option<Sighting> {
    Some(Sighting {
        point: Point::from_index(event.point)?,
        reply_hook: Hook::from_index(event.hook)?,
        reply_time: event.time.0,
        rtt: event.rtt.nanos(),
    })
}

/// The ends of a packet.
struct Ends {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

fn ends(event: &Event) -> Option<Ends> {
    let low = (
        IpAddr::from(event.key.low),
        u16::from_be_bytes(event.key.low_port),
    );
    let high = (
        IpAddr::from(event.key.high),
        u16::from_be_bytes(event.key.high_port),
    );
    let (source, destination) = match FlowDirection::from_index(event.direction)? {
        FlowDirection::LowToHigh => (low, high),
        FlowDirection::HighToLow => (high, low),
    };
    Some(Ends {
        source,
        destination,
    })
}

/// This node's side, from the reply's record nearest to the pod.
fn side(event: &Event) -> Option<Side> {
    let point = Point::from_index(event.point)?;
    Some(match (point, Hook::from_index(event.hook)?) {
        (Point::Port | Point::Bridge, Hook::Egress) => Side::Source,
        (Point::Port | Point::Bridge, Hook::Ingress) => Side::Destination,
        _ => Side::Transit,
    })
}
