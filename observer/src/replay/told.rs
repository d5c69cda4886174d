//! How tailscaled says that it sends to a peer, for a path whose packets leave that open: a capture by hand
//! has no marks, and may lack the device that the tunnel's messages leave by. Pure.
//!
//! Never: a word against what packets showed, or about what a peer sends.

use std::net::IpAddr;

use crate::config::Network;
use crate::path::{Layer, PathReport, RelayBy, RelayMode};
use crate::record::{Peer, Tailscale};

/// Completes the mode of a path that this node sends.
pub(super) fn complete(report: &mut PathReport, tailscale: &Tailscale, pods: &[Network]) {
    let is_tailscales = report.class.is_some_and(crate::path::Class::is_tailscale);
    let is_open = is_tailscales && report.relay == RelayMode::Unknown;
    if !is_open || !report.source_is_local || report.superseded {
        return;
    }
    let peer = report.peer.or(report.destination.address);
    let Some(peer) = peer.and_then(|address| tailscale.peer_of(address)) else {
        return;
    };
    let is_pods = |address: IpAddr| pods.iter().any(|network| network.contains(address));
    let mode = mode(peer, is_pods);
    if mode == RelayMode::Overlay {
        report.encapsulation.0.insert(0, Layer::Vxlan);
    }
    if mode != RelayMode::Unknown {
        report.relay = mode;
        report.relay_by = RelayBy::Tailscaled;
    }
}

/// The order in which tailscaled means its three fields (tailscale: ipn/ipnstate).
fn mode(peer: &Peer, is_pods: impl Fn(IpAddr) -> bool) -> RelayMode {
    match (peer.endpoint, peer.peer_relay, &peer.home) {
        _ if !peer.is_active => RelayMode::Unknown,
        (Some(end), _, _) if is_pods(end.ip()) => RelayMode::Overlay,
        (Some(_), _, _) => RelayMode::Direct,
        (None, Some(_), _) => RelayMode::PeerRelay,
        (None, None, Some(_)) => RelayMode::Derp,
        (None, None, None) => RelayMode::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;
    use crate::interfaces::Prefix;
    use crate::path::{Class, Encapsulation};

    fn peer(endpoint: &str, peer_relay: &str, home: &str) -> Peer {
        Peer {
            answers: vec![Prefix::host([100, 64, 0, 2].into())],
            home: (!home.is_empty()).then(|| home.to_owned()),
            endpoint: endpoint.parse().ok(),
            peer_relay: peer_relay.parse().ok(),
            is_active: true,
            ..Peer::default()
        }
    }

    fn open() -> PathReport {
        PathReport {
            class: Some(Class::VxlanTailscale),
            encapsulation: Encapsulation(vec![Layer::WireGuard, Layer::Vxlan]),
            relay: RelayMode::Unknown,
            peer: Some([100, 64, 0, 2].into()),
            ..fixture::report()
        }
    }

    fn said(peer: Peer, report: PathReport) -> (Option<&'static str>, String, bool) {
        let tailscale = Tailscale {
            peers: vec![peer],
            ..Tailscale::default()
        };
        let mut report = report;
        let pods = [Network::v4([10, 42, 0, 0], 16)];
        complete(&mut report, &tailscale, &pods);
        let stack = report.encapsulation.to_string();
        (
            report.class_name(),
            stack,
            report.relay_by == RelayBy::Tailscaled,
        )
    }

    #[test]
    fn an_endpoint_comes_before_a_peer_relay_and_that_before_the_home_region() {
        for (peer, class, stack) in [
            (
                peer("192.168.7.12:41641", "192.168.7.13:40000", "fra"),
                "vxlan-tailscale-direct",
                "wireguard>vxlan",
            ),
            (
                peer("10.42.2.1:41641", "", "fra"),
                "vxlan-tailscale-direct",
                "vxlan>wireguard>vxlan",
            ),
            (
                peer("", "192.168.7.13:40000", "fra"),
                "vxlan-tailscale-peer-relay",
                "wireguard>vxlan",
            ),
            (
                peer("", "", "fra"),
                "vxlan-tailscale-derp",
                "wireguard>vxlan",
            ),
        ] {
            assert_eq!(said(peer, open()), (Some(class), stack.to_owned(), true));
        }
    }

    #[test]
    fn nothing_is_said_of_idle_peers_of_what_comes_and_against_packets() {
        let direct = || peer("192.168.7.12:41641", "", "fra");
        let idle = Peer {
            is_active: false,
            ..direct()
        };
        let arriving = PathReport {
            source_is_local: false,
            ..open()
        };
        let relayed = PathReport {
            relay: RelayMode::Derp,
            ..open()
        };
        let strangers = PathReport {
            peer: Some([100, 64, 0, 3].into()),
            ..open()
        };
        let lan = PathReport {
            class: Some(Class::LanDirect),
            ..open()
        };
        for (peer, report) in [
            (idle, open()),
            (peer("", "", ""), open()),
            (direct(), arriving),
            (direct(), relayed),
            (direct(), strangers),
            (direct(), lan),
        ] {
            let class = report.class_name();
            let found = said(peer, report);
            assert_eq!((found.0, found.2), (class, false));
        }
    }
}
