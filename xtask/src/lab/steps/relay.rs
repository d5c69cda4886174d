//! The relay host, and what keeps the nodes from reaching each other without it.

use std::path::Path;

use super::{Helper, Script, Step, nodes};
use crate::lab::relay::{Carries, Config};
use crate::lab::topology::{Mode, Node, Relay, Topology};

/// Name of the relay's process.
pub(crate) const PROCESS: &str = "relay";
/// nft table of the router that holds the obstacle.
pub(crate) const OBSTACLE: &str = "no-direct-udp";

/// Wire, address and route of the relay host.
pub(super) fn host(relay: &Relay, router: &str) -> Vec<Step> {
    let mut script = Script::new(&relay.netns);
    script.ip("link set lo up");
    nodes::wire(&mut script, &relay.device, router);
    script.steps
}

/// Address of every machine in Lima's user-mode network (Lima: `networks.SlirpIPAddress`).
const USER_MODE: &str = "192.168.5.15";

/// What such a machine has beside its road: an address that all others have as well.
pub(super) fn user_mode(relay: &Relay, node: &Node) -> Option<Step> {
    let device = node.devices.first()?;
    (relay.mode == Mode::Derp).then(|| Step::Ip {
        netns: node.netns.clone(),
        line: format!("addr add {USER_MODE}/32 dev {}", device.name),
    })
}

/// Its process.
pub(super) fn process(relay: &Relay, directory: &Path) -> Step {
    let carries = match relay.mode {
        Mode::Direct | Mode::Derp => Carries::Frames,
        Mode::PeerRelay => Carries::Sessions(relay.sessions.iter().map(|of| of.session).collect()),
    };
    Step::Start {
        netns: relay.netns.clone(),
        name: PROCESS.to_owned(),
        helper: Helper::Relay(Config {
            listen: relay.listen,
            carries,
            delay_file: directory.join(format!("{PROCESS}.ms")),
        }),
    }
}

/// The router drops UDP from one node to another that it is parted from.
pub(crate) fn obstacle(topology: &Topology) -> Step {
    let addresses = |node: &Node| {
        let addresses = node.devices.iter();
        let addresses: Vec<_> = addresses.map(|device| device.address.to_string()).collect();
        addresses.join(", ")
    };
    let mut rules = Vec::new();
    for node in &topology.nodes {
        let parted = node.roads.iter().filter(|road| road.mode != Mode::Direct);
        for peer in parted.filter_map(|road| topology.node(&road.to)) {
            let (from, to) = (addresses(node), addresses(peer));
            let ends = format!("ip saddr {{ {from} }} ip daddr {{ {to} }}");
            rules.push(format!("    {ends} meta l4proto udp drop"));
        }
    }
    let rules = rules.join("\n");
    let ruleset = format!(
        "table ip {OBSTACLE} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
{rules}
  }}
}}"
    );
    Step::Nft {
        netns: topology.router.clone(),
        ruleset,
    }
}
