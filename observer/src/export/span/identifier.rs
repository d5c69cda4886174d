//! Span ids: two roles that both nodes derive alike, and a role of its own for every other span.

use observer_ebpf::abi::point::Point;

use crate::latency::{Identity, Side};

/// Role of the CLIENT span. The destination's agent derives it as its parent.
const CLIENT: u64 = 0;
/// Role of the SERVER span.
const SERVER: u64 = 1;
/// Set in the role of every INTERNAL span, so that it is neither of the two above.
const INTERNAL: u64 = 0x80;

/// Part of the way that an INTERNAL span covers, seen from one point outwards.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// From this point to the next one, with the data.
    Data,
    /// From the next point back to this one, with the reply.
    Reply,
    /// From this last point to whatever lies behind it, and back.
    Beyond,
}

pub(super) fn client(identity: &Identity) -> [u8; 8] {
    identity.span_id(CLIENT)
}

pub(super) fn server(identity: &Identity) -> [u8; 8] {
    identity.span_id(SERVER)
}

/// The node's name is in it: two forwarding nodes of one round trip have the same points.
pub(super) fn internal(
    identity: &Identity,
    node: &str,
    side: Side,
    point: Point,
    part: Part,
) -> [u8; 8] {
    let side = match side {
        Side::Source => 0,
        Side::Destination => 1,
        Side::Transit => 2,
    };
    let part = match part {
        Part::Data => 0,
        Part::Reply => 1,
        Part::Beyond => 2,
    };
    let place = side << 5 | u64::from(point as u8) << 2 | part;
    identity.span_id(hash(node) << 8 | INTERNAL | place)
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_place_on_every_node_has_an_id_of_its_own() {
        let identity = Identity {
            answer: 1,
            probe: 2,
            ack: 3,
            protocol: 6,
        };
        let mut ids = HashSet::from([client(&identity), server(&identity)]);
        for node in ["n1", "n2"] {
            for side in [Side::Source, Side::Destination, Side::Transit] {
                for point in Point::ALL {
                    for part in [Part::Data, Part::Reply, Part::Beyond] {
                        ids.insert(internal(&identity, node, side, point, part));
                    }
                }
            }
        }
        assert_eq!(ids.len(), 2 + 2 * 3 * 8 * 3);
    }
}
