//! Which relay carries a path: the region of a DERP relay by where the packets went or came from, else by
//! the homes that tailscaled named; the machine of a peer relay likewise. Pure.

use std::collections::BTreeSet;

use observer_ebpf::abi::point::Hook;

use crate::path::{PathReport, RelayMode, RelayModes};
use crate::record::Tailscale;

/// The region, if a relay carries the path and it is known. A node sends by its peer's home region, and
/// hears by its own.
pub(super) fn region(
    report: &PathReport,
    modes: &RelayModes,
    tailscale: &Tailscale,
) -> Option<String> {
    if report.relay != RelayMode::Derp {
        return None;
    }
    let hook = if report.source_is_local {
        Hook::Egress
    } else {
        Hook::Ingress
    };
    let (_, leg) = modes.proof(hook);
    let seen = leg
        .relays()
        .filter_map(|(end, _)| tailscale.relays.get(&end));
    let mut seen: BTreeSet<_> = seen.collect();
    let only = seen.pop_first().filter(|_| seen.is_empty());
    let named = || match hook {
        Hook::Egress => tailscale.home_of(report.peer.or(report.destination.address)?),
        Hook::Ingress => tailscale.home.as_deref(),
    };
    only.map(String::as_str).or_else(named).map(str::to_owned)
}

/// The machine of the peer relay, else its address, by where the packets went or came from, else as
/// tailscaled named it.
pub(super) fn peer_relay(
    report: &PathReport,
    modes: &RelayModes,
    tailscale: &Tailscale,
) -> Option<String> {
    if report.relay != RelayMode::PeerRelay {
        return None;
    }
    let hook = if report.source_is_local {
        Hook::Egress
    } else {
        Hook::Ingress
    };
    let (_, leg) = modes.proof(hook);
    let mut seen = leg.peer_relay.keys();
    let only = seen.next().filter(|_| seen.next().is_none()).copied();
    let far = if report.source_is_local {
        report.peer.or(report.destination.address)
    } else {
        report.peer.or(report.source.address)
    };
    let named = || Some(tailscale.peer_of(far?)?.peer_relay?.ip());
    let address = only.or_else(named)?;
    let name = tailscale.name_at(address).map(str::to_owned);
    Some(name.unwrap_or_else(|| address.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;
    use crate::interfaces::Prefix;
    use crate::record::Peer;

    #[test]
    fn where_no_relay_was_seen_the_homes_that_were_named_say_the_region() {
        let peer = "100.64.0.2".parse().expect("an address");
        let tailscale = Tailscale {
            home: Some("own".to_owned()),
            peers: vec![Peer {
                answers: vec![Prefix::host(peer)],
                home: Some("theirs".to_owned()),
                ..Peer::default()
            }],
            ..Tailscale::default()
        };
        let said = |relay, peer, source_is_local| {
            let report = PathReport {
                relay,
                peer,
                source_is_local,
                ..fixture::report()
            };
            region(&report, &RelayModes::default(), &tailscale)
        };
        let derp = RelayMode::Derp;
        assert_eq!(said(derp, Some(peer), true).as_deref(), Some("theirs"));
        assert_eq!(said(derp, Some(peer), false).as_deref(), Some("own"));
        assert_eq!(said(derp, None, true), None, "nobody answers for the pod");
        assert_eq!(said(RelayMode::Direct, Some(peer), true), None);
    }

    #[test]
    fn a_peer_relay_has_the_name_of_its_machine_where_that_is_known() {
        let peer = |name: &str, address: [u8; 4], endpoint: &str, peer_relay: &str| Peer {
            name: Some(name.to_owned()),
            answers: vec![Prefix::host(address.into())],
            endpoint: endpoint.parse().ok(),
            peer_relay: peer_relay.parse().ok(),
            ..Peer::default()
        };
        let far = [100, 64, 0, 2];
        let mut tailscale = Tailscale {
            peers: vec![
                peer("n2", far, "", "192.168.7.13:40000"),
                peer("n3", [100, 64, 0, 3], "192.168.7.13:41641", ""),
            ],
            ..Tailscale::default()
        };
        let said = |relay, tailscale: &Tailscale| {
            let report = PathReport {
                relay,
                peer: Some(far.into()),
                ..fixture::report()
            };
            peer_relay(&report, &RelayModes::default(), tailscale)
        };
        let mode = RelayMode::PeerRelay;
        assert_eq!(said(mode, &tailscale).as_deref(), Some("n3"));
        assert_eq!(said(RelayMode::Direct, &tailscale), None);
        tailscale.peers.truncate(1);
        assert_eq!(said(mode, &tailscale).as_deref(), Some("192.168.7.13"));
        assert_eq!(said(mode, &Tailscale::default()), None);
    }
}
