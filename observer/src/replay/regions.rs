//! Which region's relay carries a path: by where the packets went or came from, else by the homes that
//! tailscaled named. Pure.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;
    use crate::interfaces::Prefix;

    #[test]
    fn where_no_relay_was_seen_the_homes_that_were_named_say_the_region() {
        let peer = "100.64.0.2".parse().expect("an address");
        let tailscale = Tailscale {
            home: Some("own".to_owned()),
            homes: vec![(Prefix::host(peer), "theirs".to_owned())],
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
}
