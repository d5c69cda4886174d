//! What tailscaled said of relays and peers: `tailscale-derpmap.json` and `tailscale-status.json`. Both
//! may be missing, and so may every field: then nothing is known of it.
//!
//! Never: a person's name or a key read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize;

use super::error::Cause;
use super::{BundleError, document};
use crate::interfaces::Prefix;

const RELAYS: &str = "tailscale-derpmap.json";
const STATUS: &str = "tailscale-status.json";
/// Port of a relay that names none (tailscale: tailcfg/derpmap.go).
const PORT: u16 = 443;
/// More addresses of relays than any tailnet has.
const MOST_RELAYS: usize = 4_096;

/// Relays and peers of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tailscale {
    /// Region by where its relays listen.
    pub relays: BTreeMap<SocketAddr, String>,
    /// The node's own home region.
    pub home: Option<String>,
    /// Peers' home regions by what they answer for.
    pub homes: Vec<(Prefix, String)>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Map {
    regions: Option<BTreeMap<String, Option<Region>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Region {
    region_code: Option<String>,
    nodes: Option<Vec<Node>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Node {
    #[serde(rename = "IPv4")]
    v4: Option<String>,
    #[serde(rename = "IPv6")]
    v6: Option<String>,
    #[serde(rename = "DERPPort")]
    port: Option<u16>,
    #[serde(rename = "STUNOnly")]
    is_stun_only: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Status {
    #[serde(rename = "Self")]
    own: Option<Peer>,
    peer: Option<BTreeMap<String, Option<Peer>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Peer {
    relay: Option<String>,
    #[serde(rename = "TailscaleIPs")]
    addresses: Option<Vec<String>>,
    #[serde(rename = "AllowedIPs")]
    allowed: Option<Vec<String>>,
}

/// Reads both documents of a folder.
pub(super) fn read(folder: &Path) -> Result<Tailscale, BundleError> {
    let map: Map = document::read_if_there(folder, RELAYS)?.unwrap_or_default();
    let status: Status = document::read_if_there(folder, STATUS)?.unwrap_or_default();
    let relays = relays(map);
    if relays.len() > MOST_RELAYS {
        let cause = format!("more than {MOST_RELAYS} addresses of relays");
        return Err(Cause::Content(cause).of(&folder.join(RELAYS)));
    }
    let peers = status.peer.unwrap_or_default().into_values().flatten();
    Ok(Tailscale {
        relays,
        home: status.own.and_then(|own| named(own.relay)),
        homes: peers.flat_map(homes).collect(),
    })
}

impl Tailscale {
    /// Home region of the peer that answers for an address.
    #[must_use]
    pub fn home_of(&self, address: IpAddr) -> Option<&str> {
        let homes = self.homes.iter();
        let (_, region) = homes
            .filter(|(prefix, _)| prefix.contains(address))
            .max_by_key(|(prefix, _)| prefix.length())?;
        Some(region)
    }
}

/// A relay without an address, or with `none` as one, cannot be told on the wire.
fn relays(map: Map) -> BTreeMap<SocketAddr, String> {
    let regions = map.regions.unwrap_or_default().into_iter();
    let mut relays = BTreeMap::new();
    for (number, region) in regions {
        let Some(region) = region else { continue };
        let code = named(region.region_code).unwrap_or(number);
        for node in region.nodes.unwrap_or_default() {
            if node.is_stun_only == Some(true) {
                continue;
            }
            let port = node.port.filter(|&port| port != 0).unwrap_or(PORT);
            let addresses = [node.v4, node.v6].into_iter().flatten();
            for address in addresses.filter_map(|text| text.parse::<IpAddr>().ok()) {
                relays.insert(SocketAddr::new(address, port), code.clone());
            }
        }
    }
    relays
}

fn homes(peer: Peer) -> Vec<(Prefix, String)> {
    let Some(region) = named(peer.relay) else {
        return Vec::new();
    };
    let addresses = peer.addresses.unwrap_or_default().into_iter();
    let addresses = addresses.filter_map(|text| text.parse().ok().map(Prefix::host));
    let allowed = peer.allowed.unwrap_or_default().into_iter();
    let allowed = allowed.filter_map(|text| text.parse().ok());
    let prefixes = addresses.chain(allowed);
    prefixes.map(|prefix| (prefix, region.clone())).collect()
}

/// An empty word is none.
fn named(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_missing_null_or_no_addresses_are_nothing() {
        for text in [
            "{}",
            r#"{"Regions":null}"#,
            r#"{"Regions":{"1":null,"2":{},"3":{"Nodes":null}}}"#,
            r#"{"Regions":{"4":{"Nodes":[{},{"IPv4":"none","IPv6":""}]}}}"#,
            r#"{"Regions":{"4":{"Nodes":[{"IPv4":"192.0.2.1","STUNOnly":true}]}}}"#,
        ] {
            let map = serde_json::from_str(text).expect(text);
            assert_eq!(relays(map), BTreeMap::new(), "{text}");
        }
    }

    #[test]
    fn relays_have_the_usual_port_or_their_own_and_both_families() {
        let text = r#"{"Regions":{"7":{"RegionCode":"fra","Nodes":[
            {"IPv4":"192.0.2.1","IPv6":"2001:db8::1"},
            {"IPv4":"192.0.2.2","DERPPort":8443}]},
            "9":{"Nodes":[{"IPv4":"192.0.2.3","DERPPort":0}]}}}"#;
        let relays = relays(serde_json::from_str(text).expect("a map"));
        let shown: Vec<_> = relays
            .iter()
            .map(|(end, region)| format!("{end} {region}"))
            .collect();
        let wanted = [
            "192.0.2.1:443 fra",
            "192.0.2.2:8443 fra",
            "192.0.2.3:443 9",
            "[2001:db8::1]:443 fra",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn the_peer_with_the_longest_prefix_answers_for_an_address() {
        let peer = |relay: &str, allowed: &str| Peer {
            relay: Some(relay.to_owned()),
            addresses: None,
            allowed: Some(vec![allowed.to_owned()]),
        };
        let peers = [
            ("fra", "0.0.0.0/0"),
            ("nyc", "10.42.2.0/24"),
            ("", "10.42.2.7/32"),
        ];
        let homes = peers.map(|(relay, allowed)| homes(peer(relay, allowed)));
        let tailscale = Tailscale {
            homes: homes.concat(),
            ..Tailscale::default()
        };
        let home = |text: &str| tailscale.home_of(text.parse().expect(text));
        assert_eq!(home("10.42.2.7"), Some("nyc"));
        assert_eq!(home("10.42.3.7"), Some("fra"));
        assert_eq!(home("2001:db8::1"), None);
    }
}
