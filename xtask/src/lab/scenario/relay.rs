//! The relay host of a sketch, once its nodes have addresses.

use std::net::SocketAddrV4;

use super::{Sketch, Wire};
use crate::lab::Options;
use crate::lab::deal::Deal;
use crate::lab::relay::Session;
use crate::lab::topology::{Mode, Node, Relay, RelaySession, SegmentKind};

/// Port of a DERP relay, and the one that Tailscale's documents give a peer relay.
const DERP: u16 = 443;
const PEER_RELAY: u16 = 40000;

/// The relay of a sketch, on the routed segment that no node has; none where all is direct.
pub(super) fn build(
    sketch: &Sketch,
    nodes: &[Node],
    options: &Options,
    deal: &mut Deal,
) -> Option<Relay> {
    let port = match sketch.mode {
        Mode::Direct => return None,
        Mode::Derp => DERP,
        Mode::PeerRelay => PEER_RELAY,
    };
    let is_used = |name: &str| {
        let mut devices = nodes.iter().flat_map(|node| &node.devices);
        devices.any(|device| device.segment == name)
    };
    let mut free = sketch.segments.iter();
    let free = free.find(|own| own.kind == SegmentKind::Routed && !is_used(&own.name))?;
    let wire = Wire::new("eth0", &free.name, Some(100));
    let device = super::build::build_device("relay", &wire, free, options, deal);
    Some(Relay {
        mode: sketch.mode,
        netns: format!("np-{}-relay", options.name),
        listen: SocketAddrV4::new(device.address, port),
        device,
        sessions: sessions(nodes, deal),
    })
}

/// One session per pair of nodes.
fn sessions(nodes: &[Node], deal: &mut Deal) -> Vec<RelaySession> {
    let mut sessions = Vec::new();
    for (position, one) in nodes.iter().enumerate() {
        for other in nodes.iter().skip(position + 1) {
            let ends = [one, other].map(|node| {
                let address = node.address_of("eth0").unwrap_or(node.vtep);
                SocketAddrV4::new(address, node.tailnet.port)
            });
            sessions.push(RelaySession {
                nodes: [one, other].map(|node| node.name.clone()),
                session: Session {
                    vni: deal.vni(),
                    ends,
                },
            });
        }
    }
    sessions
}
