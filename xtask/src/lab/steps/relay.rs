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

/// The router drops UDP from one node to another.
pub(crate) fn obstacle(topology: &Topology) -> Step {
    let addresses = topology.nodes.iter().flat_map(|node| &node.devices);
    let addresses: Vec<String> = addresses.map(|device| device.address.to_string()).collect();
    let nodes = addresses.join(", ");
    let ruleset = format!(
        "table ip {OBSTACLE} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ip saddr {{ {nodes} }} ip daddr {{ {nodes} }} meta l4proto udp drop
  }}
}}"
    );
    Step::Nft {
        netns: topology.router.clone(),
        ruleset,
    }
}
