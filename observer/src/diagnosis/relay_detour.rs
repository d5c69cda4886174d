//! S5: pod packets go through a DERP relay, possibly far away, although a shorter road is at hand: the
//! peer was reached directly before, or has an address on this node's own network, or the node is a
//! virtual machine that has nothing but a user-mode network, which its host could replace.
//!
//! Never: a finding without such a road. A relay alone is no fault: between two far sites it may be
//! the only way.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use observer_ebpf::abi::point::Point;

use crate::path::{Leg, PathReport, RelayMode, UnderlayKind};

use super::{Cause, Endpoint, Evidence, Finding, Fix, Subject};

/// A peer that this agent has seen reached directly, and goes by a relay since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectBefore {
    /// Where it was, if it was the only one.
    pub endpoint: Option<IpAddr>,
    /// What the quickest round trips behind the tunnel took at that time, nanoseconds: those without a
    /// pause of the far end in them.
    pub round_trip: u64,
    /// What the quickest take through the relay, nanoseconds.
    pub relayed: u64,
}

/// A relay is a detour if its round trips take so many times those of the direct road.
const FAR: u64 = 2;

/// How long a discovery message counts, and an answer.
pub const DISCO_COUNTS: Duration = Duration::from_mins(3);

/// A neighbour that tailscaled asks for a direct road and that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentNeighbour {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Discovery messages sent to it within [`DISCO_COUNTS`]; none came back.
    pub asked: u64,
}

/// A device with an address of Lima's user-mode network: machines of one host all have the same one
/// and cannot reach one another by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserModeNetwork {
    /// Device that the relay is reached by.
    pub device: String,
    /// Its address.
    pub address: IpAddr,
}

/// What the rule looks at for one ordered pair.
#[derive(Clone, Copy, Debug)]
pub struct DetourFacts<'a> {
    /// This node.
    pub node: &'a str,
    /// The observed path, this node's pod first.
    pub path: &'a PathReport,
    /// The peer node's VTEP as seen in the tunnel, or the far pod.
    pub peer: &'a str,
    /// What left this node while the mode was said.
    pub leg: &'a Leg,
    /// Peers that are carried by a relay at this time.
    pub relayed_peers: usize,
    /// The road to the peer that was there before.
    pub before: Option<&'a DirectBefore>,
    /// Neighbours that do not answer.
    pub silent: &'a [SilentNeighbour],
    /// The node's only way out, where it is one.
    pub user_mode: Option<&'a UserModeNetwork>,
}

/// Finds a detour through a relay. A neighbour that is silent is held against the peer only where one
/// peer alone is relayed: a discovery message does not say whom it is for.
#[must_use]
pub fn relay_detour(facts: &DetourFacts<'_>) -> Option<Finding> {
    let path = facts.path;
    let is_relayed = path.relay == RelayMode::Derp && path.confirmed;
    if !is_relayed || path.points.get(&Point::Tunnel)?.packets < 2 {
        return None;
    }
    let neighbour = match facts {
        DetourFacts {
            relayed_peers: 1,
            silent: [neighbour, ..],
            ..
        } => Some(neighbour),
        _ => None,
    };
    let before = facts
        .before
        .filter(|before| before.relayed > before.round_trip.saturating_mul(FAR));
    let (road, confidence, fix, refuted_by) = match (before, neighbour, facts.user_mode) {
        (Some(before), _, _) => (
            direct_before(before),
            0.9,
            open_udp(before.endpoint, None),
            "the peer has moved to another network since: then `tailscale status` of the peer shows \
             other addresses, and the road of before is gone",
        ),
        (None, Some(neighbour), _) => (
            silent_neighbour(neighbour),
            0.8,
            open_udp(Some(neighbour.endpoint.address), Some(&neighbour.endpoint)),
            "the address belongs to another machine than the peer: then nothing on this network \
             keeps the two apart",
        ),
        (None, None, Some(network)) => (
            user_mode_network(network),
            0.6,
            lima_shared_network(),
            "the peer is no virtual machine of the same host: a network of the host does not reach \
             it, and a relay may be its only road",
        ),
        (None, None, None) => return None,
    };
    let mut evidence = vec![carried(facts.leg)];
    evidence.extend(round_trip(path));
    evidence.push(road);
    Some(Finding {
        cause: Cause::RelayDetour,
        subject: Subject {
            nodes: vec![facts.node.to_owned(), facts.peer.to_owned()],
        },
        confidence,
        cost: before.map_or_else(
            || path.tunnel_round_trip().unwrap_or(0),
            |before| before.relayed - before.round_trip,
        ),
        evidence,
        fix,
        refuted_by: refuted_by.to_owned(),
    })
}

/// What entered the tunnel beside what left as tailscaled's.
fn carried(leg: &Leg) -> Evidence {
    let share = |bytes: u64| (bytes * 100).checked_div(leg.tunnel).unwrap_or(0);
    let relays: Vec<SocketAddr> = leg.relays().map(|(end, _)| end).collect();
    let names: Vec<_> = relays.iter().map(ToString::to_string).collect();
    Evidence {
        id: "relay_observed",
        text: format!(
            "what entered the tunnel makes {} bytes of WireGuard; {} bytes ({} %) left inside TCP \
             to {}, {} bytes ({} %) as WireGuard",
            leg.tunnel,
            leg.relay_tcp(),
            share(leg.relay_tcp()),
            names.join(" and "),
            leg.direct(),
            share(leg.direct()),
        ),
    }
}

fn round_trip(path: &PathReport) -> Option<Evidence> {
    let rtt = path.points.get(&Point::Tunnel)?.rtt?;
    Some(Evidence {
        id: "round_trip",
        text: format!(
            "round trips behind the tunnel take {} ms, 1 % of them more than {} ms ({} samples)",
            millis(rtt.p50),
            millis(rtt.p99),
            rtt.count
        ),
    })
}

fn direct_before(before: &DirectBefore) -> Evidence {
    let place = before
        .endpoint
        .map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
    Evidence {
        id: "direct_before",
        text: format!(
            "this agent has seen the peer reached directly{place}, where the quickest round trips \
             behind the tunnel took {} ms; through the relay the quickest take {} ms",
            millis(before.round_trip),
            millis(before.relayed)
        ),
    }
}

/// Nanoseconds as milliseconds with two digits.
fn millis(nanos: u64) -> String {
    let hundredths = nanos / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn silent_neighbour(neighbour: &SilentNeighbour) -> Evidence {
    let SilentNeighbour { endpoint, asked } = neighbour;
    Evidence {
        id: "disco_unanswered",
        text: format!(
            "tailscaled asked {} on {} ({}), a neighbour, {asked} times within {} minutes for a \
             direct road; nothing came back",
            endpoint.address,
            endpoint.device,
            endpoint.underlay,
            DISCO_COUNTS.as_secs() / 60
        ),
    }
}

fn user_mode_network(network: &UserModeNetwork) -> Evidence {
    Evidence {
        id: "lima_user_network",
        text: format!(
            "the relay is reached by {} with {}, Lima's user-mode network: every machine of the \
             host has this address, and none reaches another by it; there is no shared network",
            network.device, network.address
        ),
    }
}

fn open_udp(address: Option<IpAddr>, neighbour: Option<&Endpoint>) -> Fix {
    let peer = address.map_or_else(|| "the peer".to_owned(), |address| address.to_string());
    let (road, wall) = match neighbour.map(|endpoint| (&endpoint.device, endpoint.underlay)) {
        Some((device, UnderlayKind::Vmnet)) => (
            format!(" by {device}"),
            "firewalls of both machines and their host",
        ),
        Some((device, UnderlayKind::Lan | UnderlayKind::Wan)) => (
            format!(" by {device}"),
            "firewalls of both nodes and the network between",
        ),
        None => (
            String::new(),
            "firewalls of both nodes and the routers between",
        ),
    };
    Fix {
        id: "open-direct-udp",
        text: format!(
            "let UDP pass between this node and {peer}{road}, to and from tailscaled's port (41641 \
             unless `tailscaled --port` says otherwise), in the {wall}; `tailscale ping \
             --until-direct` of the peer shows that it works"
        ),
        side_effects: vec![
            "tailscaled's port becomes reachable from that side: it answers only peers of the \
             tailnet"
                .to_owned(),
        ],
    }
}

fn lima_shared_network() -> Fix {
    Fix {
        id: "lima-shared-network",
        text:
            "on the host, for every virtual machine of the cluster: `limactl stop NAME && limactl \
               edit NAME --set '.networks = [{\"lima\": \"shared\"}]' && limactl start NAME` \
               (user-v2 or vzNAT serve as well)"
                .to_owned(),
        side_effects: vec![
            "each machine restarts, its pods with it".to_owned(),
            "lima0 becomes the device of the default route, and flannel's where no interface is set"
                .to_owned(),
        ],
    }
}

#[cfg(test)]
mod tests;
