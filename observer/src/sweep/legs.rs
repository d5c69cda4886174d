//! The opaque leg of one sweep from the outer flows: what left and came as tailscaled's, freed of its
//! headers, beside what crossed the tunnel. Pure.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use observer_ebpf::abi::outer::{OuterKey, OuterKind};
use observer_ebpf::abi::point::Hook;

use crate::path::{Leg, RelayMode};

use super::OuterFlows;

const UDP_HEADER: u64 = 8;
const GENEVE_HEADER: u64 = 8;
/// A TCP header with timestamps. Of a segment without them 12 bytes of payload are left out.
const TCP_HEADER: u64 = 32;

/// What an outer flow carried since the last sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    pub(super) key: OuterKey,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// The legs by [`Hook`], for so many bytes of messages predicted at the tunnel's hooks.
pub(super) fn legs(outer: &OuterFlows, [came, went]: [u64; 2]) -> [Leg; 2] {
    let known = Known::of(outer);
    let mut legs = [came, went].map(|tunnel| Leg {
        tunnel,
        ..Leg::default()
    });
    let [ingress, egress] = &mut legs;
    for carried in outer.carried() {
        match Hook::from_index(carried.key.hook) {
            Some(Hook::Ingress) => known.add(ingress, &carried, carried.key.source.into()),
            Some(Hook::Egress) => known.add(egress, &carried, carried.key.destination.into()),
            None => {}
        }
    }
    legs
}

/// What tells tailscaled's own packets from those of others.
struct Known {
    /// Where its WireGuard and its discovery go: arriving packets bear no mark.
    endpoints: HashSet<IpAddr>,
    /// Receivers of what this node passes on, being a peer relay itself: what came from the one end goes
    /// to another under the same index, which is the receiver's own.
    passed_on: HashSet<u32>,
    /// Relays that its marked connections go to.
    relays: HashSet<(IpAddr, u32)>,
}

impl Known {
    fn of(outer: &OuterFlows) -> Self {
        let is_marked = |key: &&OuterKey| key.marked == 1;
        // Both directions choose their road alone: what only discovery goes to may send data.
        let is_to_peer = |key: &&OuterKey| {
            [
                OuterKind::WireGuard,
                OuterKind::WireGuardHandshake,
                OuterKind::Disco,
                OuterKind::OverlayWireGuard,
                OuterKind::OverlayControl,
            ]
            .iter()
            .any(|&kind| key.kind == kind as u8)
        };
        let endpoints = outer.keys().filter(is_marked).filter(is_to_peer);
        let relayed = |hook: Hook| {
            let is_meant = move |key: &&OuterKey| {
                key.kind == OuterKind::PeerRelay as u8 && key.hook == hook as u8
            };
            outer.keys().filter(is_meant)
        };
        let came = relayed(Hook::Ingress).map(|key| (key.session, key.source));
        let came: HashSet<_> = came.collect();
        let indices: HashSet<u32> = came.iter().map(|&(session, _)| session).collect();
        let went = relayed(Hook::Egress).map(|key| (key.session, key.destination));
        let passed_on = went.filter(|end| indices.contains(&end.0) && !came.contains(end));
        let is_tcp = |key: &&OuterKey| {
            [OuterKind::MarkedTcp, OuterKind::RelayTcp]
                .iter()
                .any(|&kind| key.kind == kind as u8)
        };
        let relays = outer.keys().filter(is_marked).filter(is_tcp);
        Self {
            relays: relays
                .map(|key| (key.destination.into(), key.session))
                .collect(),
            endpoints: endpoints.map(|key| key.destination.into()).collect(),
            passed_on: passed_on.map(|(session, _)| session).collect(),
        }
    }

    fn add(&self, leg: &mut Leg, carried: &Carried, far: IpAddr) {
        let Carried {
            key,
            packets,
            bytes,
        } = *carried;
        let network = if far.is_ipv4() { 20 } else { 40 };
        let without = |headers: u64| bytes.saturating_sub(packets * (network + headers));
        let is = |kind: OuterKind| key.kind == kind as u8;
        let is_own = match Hook::from_index(key.hook) {
            Some(Hook::Ingress) => self.endpoints.contains(&far),
            Some(Hook::Egress) | None => key.marked == 1,
        };
        // What leaves without the mark is a pod's own.
        let is_made_here = key.hook != Hook::Egress as u8 || key.marked == 1;
        if is(OuterKind::WireGuard) && is_own {
            *leg.direct.entry(far).or_default() += without(UDP_HEADER);
            *leg.messages.entry(RelayMode::Direct).or_default() += packets;
        } else if is(OuterKind::OverlayWireGuard) && is_own {
            *leg.overlay.entry(far).or_default() += without(UDP_HEADER);
            *leg.messages.entry(RelayMode::Overlay).or_default() += packets;
        } else if is(OuterKind::PeerRelay) && is_made_here && !self.passed_on.contains(&key.session)
        {
            *leg.peer_relay.entry(far).or_default() += without(UDP_HEADER + GENEVE_HEADER);
            *leg.messages.entry(RelayMode::PeerRelay).or_default() += packets;
        } else if is(OuterKind::MarkedTcp)
            || is(OuterKind::RelayTcp)
                && (is_made_here || !self.relays.contains(&(far, key.session)))
        {
            // To a relay that is reached without the mark, all that leaves counts.
            let port = u16::try_from(key.session).unwrap_or(0);
            let end = SocketAddr::new(far, port);
            *leg.tcp.entry(end).or_default() += without(TCP_HEADER);
        } else if is(OuterKind::Disco) && is_made_here {
            *leg.disco.entry(far).or_default() += packets;
        }
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::key::Address;
    use observer_ebpf::abi::outer::OuterFlowRecord;
    use observer_ebpf::abi::point::{Point, Site};

    use super::*;

    const PEER: [u8; 4] = [192, 0, 2, 2];
    const OTHER: [u8; 4] = [192, 0, 2, 3];

    fn key(hook: Hook, kind: OuterKind, far: [u8; 4], marked: u8) -> OuterKey {
        let site = Site {
            point: Point::Underlay0,
            hook,
        };
        let (here, far) = (Address::v4([192, 0, 2, 1]), Address::v4(far));
        let (source, destination) = match hook {
            Hook::Ingress => (far, here),
            Hook::Egress => (here, far),
        };
        OuterKey {
            marked,
            session: 443,
            ..OuterKey::new(site, kind, source, destination)
        }
    }

    fn of(flows: &[(OuterKey, u64, u64)]) -> [Leg; 2] {
        let mut outer = OuterFlows::default();
        for &(key, packets, bytes) in flows {
            let flow = OuterFlowRecord {
                packets,
                bytes,
                ..OuterFlowRecord::default()
            };
            outer.add(key, &flow);
        }
        legs(&outer, [100, 200])
    }

    #[test]
    fn headers_are_taken_off_by_carrier() {
        let [came, went] = of(&[
            (key(Hook::Egress, OuterKind::WireGuard, PEER, 1), 2, 2 * 156),
            (
                key(Hook::Egress, OuterKind::PeerRelay, OTHER, 1),
                2,
                2 * 164,
            ),
            (
                key(Hook::Egress, OuterKind::MarkedTcp, OTHER, 1),
                2,
                2 * 100,
            ),
            (key(Hook::Egress, OuterKind::Disco, OTHER, 1), 3, 270),
            (key(Hook::Ingress, OuterKind::RelayTcp, OTHER, 0), 1, 152),
        ]);
        let (peer, other) = (IpAddr::from(PEER), IpAddr::from(OTHER));
        assert_eq!((came.tunnel, went.tunnel), (100, 200));
        assert_eq!(went.direct[&peer], 256);
        assert_eq!(went.peer_relay[&other], 256);
        assert_eq!(went.tcp[&SocketAddr::new(other, 443)], 96);
        assert_eq!(went.disco[&other], 3);
        assert_eq!(came.tcp[&SocketAddr::new(other, 443)], 100);
    }

    #[test]
    fn what_a_pod_sends_through_relays_of_its_own_is_not_the_nodes() {
        let [_, went] = of(&[
            (key(Hook::Egress, OuterKind::PeerRelay, OTHER, 0), 2, 328),
            (key(Hook::Egress, OuterKind::Disco, OTHER, 0), 3, 270),
        ]);
        assert!(went.peer_relay.is_empty() && went.disco.is_empty());
    }

    #[test]
    fn what_others_send_to_a_relay_counts_where_tailscaled_marks_nothing_it_sends_there() {
        let sent = |kind, marked| (key(Hook::Egress, kind, OTHER, marked), 1, 152);
        let bytes = |flows: &[(OuterKey, u64, u64)]| of(flows)[1].tcp.values().sum::<u64>();
        let others = sent(OuterKind::RelayTcp, 0);
        assert_eq!(bytes(&[others]), 100);
        assert_eq!(bytes(&[others, sent(OuterKind::RelayTcp, 1)]), 100);
        assert_eq!(bytes(&[others, sent(OuterKind::MarkedTcp, 1)]), 100);
    }

    #[test]
    fn wireguard_of_others_is_told_by_the_mark_and_where_that_goes() {
        let [came, went] = of(&[
            (
                key(Hook::Egress, OuterKind::WireGuard, OTHER, 0),
                9,
                9 * 156,
            ),
            (
                key(Hook::Ingress, OuterKind::WireGuard, OTHER, 0),
                9,
                9 * 156,
            ),
            (key(Hook::Ingress, OuterKind::WireGuard, PEER, 0), 1, 156),
            (
                key(Hook::Egress, OuterKind::WireGuardHandshake, PEER, 1),
                1,
                176,
            ),
        ]);
        assert_eq!(went.direct(), 0);
        assert_eq!(
            came.direct.keys().collect::<Vec<_>>(),
            [&IpAddr::from(PEER)]
        );
    }

    #[test]
    fn wireguard_inside_vxlan_is_the_overlays_and_may_come_from_where_only_discovery_goes() {
        let inside =
            |hook, far, marked| (key(hook, OuterKind::OverlayWireGuard, far, marked), 2, 312);
        let [came, went] = of(&[
            inside(Hook::Egress, PEER, 1),
            inside(Hook::Egress, OTHER, 0),
            inside(Hook::Ingress, OTHER, 0),
            (
                key(Hook::Egress, OuterKind::OverlayControl, OTHER, 1),
                9,
                900,
            ),
            (
                key(Hook::Ingress, OuterKind::OverlayControl, PEER, 0),
                9,
                900,
            ),
        ]);
        let bytes = |leg: &Leg| (leg.overlay.clone(), leg.direct());
        let (peer, other) = (IpAddr::from(PEER), IpAddr::from(OTHER));
        assert_eq!(bytes(&went), ([(peer, 256)].into(), 0));
        assert_eq!(bytes(&came), ([(other, 256)].into(), 0));
        assert!(went.disco.is_empty(), "no evidence of a road outside");
    }

    #[test]
    fn what_a_peer_relay_passes_on_is_not_its_own() {
        let session = |hook, far, session| OuterKey {
            session,
            ..key(
                hook,
                OuterKind::PeerRelay,
                far,
                u8::from(hook == Hook::Egress),
            )
        };
        let [came, went] = of(&[
            (session(Hook::Ingress, PEER, 5), 1, 164),
            (session(Hook::Egress, OTHER, 5), 1, 164),
            (session(Hook::Egress, OTHER, 6), 1, 164),
            (session(Hook::Ingress, OTHER, 7), 1, 164),
        ]);
        assert_eq!((came.peer_relay(), went.peer_relay()), (128, 128));
    }

    #[test]
    fn two_ends_that_chose_the_same_index_pass_nothing_on() {
        let key = |hook| {
            key(
                hook,
                OuterKind::PeerRelay,
                OTHER,
                u8::from(hook == Hook::Egress),
            )
        };
        let [came, went] = of(&[(key(Hook::Ingress), 1, 164), (key(Hook::Egress), 2, 328)]);
        assert_eq!((came.peer_relay(), went.peer_relay()), (128, 256));
    }
}
