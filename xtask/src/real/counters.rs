//! What passes the devices of a node, counted by nftables: by hook, and by what kind of packet it is.
//! Independent of every eBPF program; one table per node, which goes with its guard.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::lab::LabError;
use crate::lab::netns::{self, Tool, batch};
use crate::oracle::{Count, Hook};

/// The table's name.
const TABLE: &str = "netpath_evidence";
/// Devices that are looked at, where they are there.
const DEVICES: [&str; 5] = ["cni0", "flannel.1", "tailscale0", "eth0", "lima0"];

/// A kind of packet, as the hook sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Plain packets between pods.
    Pods,
    /// Plain packets of pods to other addresses.
    PodsOut,
    /// VXLAN of flannel, whatever carries it.
    Vxlan,
    /// VXLAN of flannel from an address of the tailnet.
    TailnetVxlan,
    /// VXLAN with tailscaled's mark: its own packets, wrapped.
    MarkedVxlan,
    /// Other UDP with tailscaled's mark: `WireGuard`, discovery, STUN.
    MarkedUdp,
    /// TCP with tailscaled's mark: relays and the control server.
    MarkedTcp,
    /// IPv4 fragments.
    Fragments,
    /// First fragments of VXLAN: one per packet that was cut.
    CutVxlan,
    /// Fragments of packets between pods.
    PodFragments,
    /// Data packets of `WireGuard`, whoever sends them.
    WireGuard,
}

impl Kind {
    /// All kinds.
    const ALL: [Self; 11] = [
        Self::Pods,
        Self::PodsOut,
        Self::Vxlan,
        Self::TailnetVxlan,
        Self::MarkedVxlan,
        Self::MarkedUdp,
        Self::MarkedTcp,
        Self::Fragments,
        Self::CutVxlan,
        Self::PodFragments,
        Self::WireGuard,
    ];

    /// The nftables expression.
    fn expression(self) -> &'static str {
        match self {
            Self::Pods => {
                "ip saddr 10.42.0.0/16 ip daddr 10.42.0.0/16 meta mark & 0xff0000 != 0x80000"
            }
            Self::PodsOut => "ip saddr 10.42.0.0/16 ip daddr != 10.42.0.0/16",
            Self::Vxlan => "udp dport 8472",
            Self::TailnetVxlan => {
                "ip saddr 100.64.0.0/10 udp dport 8472 meta mark & 0xff0000 != 0x80000"
            }
            Self::MarkedVxlan => "meta mark & 0xff0000 == 0x80000 udp dport 8472",
            Self::MarkedUdp => "meta mark & 0xff0000 == 0x80000 udp dport != 8472",
            Self::MarkedTcp => "meta mark & 0xff0000 == 0x80000 meta l4proto tcp",
            Self::Fragments => "meta protocol ip ip frag-off & 0x3fff != 0",
            Self::CutVxlan => "udp dport 8472 ip frag-off & 0x3fff == 0x2000",
            Self::PodFragments => {
                "ip saddr 10.42.0.0/16 ip daddr 10.42.0.0/16 ip frag-off & 0x3fff != 0"
            }
            // Type 4 and three reserved bytes open the payload.
            Self::WireGuard => "udp length >= 40 @th,64,32 0x04000000",
        }
    }
}

/// What a counter counts: device, hook and kind of packet.
pub type Place = (String, &'static str, Kind);

/// The counters of one node; removed when dropped.
#[derive(Debug)]
pub struct Counters {
    netns: String,
}

impl Counters {
    /// Counts at every device of a node that is there by now.
    pub fn install(netns: &str) -> Result<Self, LabError> {
        let there = netns::within(netns, || {
            DEVICES.map(|device| nix::net::if_::if_nametoindex(device).is_ok())
        })?;
        let devices = DEVICES.iter().zip(there).filter(|(_, there)| *there);
        let mut ruleset = format!("add table netdev {TABLE}; delete table netdev {TABLE}\n");
        ruleset.push_str("table netdev ");
        ruleset.push_str(TABLE);
        ruleset.push_str(" {");
        for (device, _) in devices {
            for hook in [Hook::Ingress, Hook::Egress] {
                ruleset.push_str(&chain(device, hook));
            }
        }
        ruleset.push_str("\n}");
        batch(Tool::Nft, Some(netns), &[&ruleset])?;
        Ok(Self {
            netns: netns.to_owned(),
        })
    }

    /// All counts by now. A device that has gone took its counters along.
    pub fn read(&self) -> Result<BTreeMap<Place, Count>, LabError> {
        let argv = ["nft", "-j", "list", "table", "netdev", TABLE];
        let failed = |cause| LabError::io(format!("list {TABLE} in {}", self.netns), cause);
        let output = netns::command(&self.netns, &argv)
            .output()
            .map_err(failed)?;
        let listing: Value =
            serde_json::from_slice(&output.stdout).map_err(|cause| failed(cause.into()))?;
        Ok(counts(&listing))
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        if !netns::exists(&self.netns) {
            return;
        }
        let line = format!("delete table netdev {TABLE}");
        if let Err(cause) = batch(Tool::Nft, Some(&self.netns), &[&line]) {
            eprintln!("remove the counters of {}: {cause}", self.netns);
        }
    }
}

/// The chain of a device and hook.
fn chain(device: &str, hook: Hook) -> String {
    let name = hook_name(hook);
    let rules = Kind::ALL.map(|kind| {
        let expression = kind.expression();
        format!("    {expression} counter comment \"{device} {name} {kind:?}\"\n")
    });
    let own = device.replace('.', "_");
    format!(
        "
  chain {name}_{own} {{
    type filter hook {name} device \"{device}\" priority 0; policy accept;
{}  }}",
        rules.concat()
    )
}

/// The counters of a listing, by what their comments say.
fn counts(listing: &Value) -> BTreeMap<Place, Count> {
    let objects = listing.get("nftables").and_then(Value::as_array);
    let rules = objects
        .into_iter()
        .flatten()
        .filter_map(|object| object.get("rule"));
    let read = rules.filter_map(|rule| {
        let mut words = rule.get("comment")?.as_str()?.split(' ');
        let (device, hook, kind) = (words.next()?, words.next()?, words.next()?);
        let hook = [Hook::Ingress, Hook::Egress]
            .map(hook_name)
            .into_iter()
            .find(|name| *name == hook)?;
        let kind = Kind::ALL
            .into_iter()
            .find(|known| format!("{known:?}") == kind)?;
        let statements = rule.get("expr")?.as_array()?;
        let counter = statements.iter().find_map(|part| part.get("counter"))?;
        let count = serde_json::from_value(counter.clone()).ok()?;
        Some(((device.to_owned(), hook, kind), count))
    });
    read.collect()
}

/// A hook as nftables calls it.
pub(super) fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Ingress => "ingress",
        Hook::Egress => "egress",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_known_by_their_comments() {
        let rule = |comment: &str, packets: u64| {
            serde_json::json!({"rule": {"comment": comment, "expr": [
                {"match": {}}, {"counter": {"packets": packets, "bytes": 90}}]}})
        };
        let listing = serde_json::json!({"nftables": [
            {"metainfo": {}}, rule("eth0 egress Vxlan", 3), rule("eth0 ingress Vxlan", 5),
            rule("somebody else's", 7)]});
        let counts = counts(&listing);
        let place = |hook| ("eth0".to_owned(), hook, Kind::Vxlan);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[&place("egress")].packets, 3);
        assert_eq!(counts[&place("ingress")].packets, 5);
    }
}
