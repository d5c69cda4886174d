//! What tailscaled said of relays and peers: `tailscale-derpmap.json`, `tailscale-status.json` and
//! `tailscale-prefs.json`. All may be missing, and so may every field: then nothing is known of it.
//!
//! Never: a person's name or a key read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize;

use super::document::Named;
use super::error::Cause;
use super::{BundleError, document};
use crate::interfaces::Prefix;

const RELAYS: Named = (
    "tailscale-derpmap.json",
    "by LocalAPI's `derpmap`, or `tailscale debug derp-map`",
);
const STATUS: Named = ("tailscale-status.json", "with `tailscale status --json`");
const PREFS: Named = ("tailscale-prefs.json", "with `tailscale debug prefs`");
/// The state of a daemon that carries packets (tailscale: ipn/backend.go).
const RUNNING: &str = "Running";
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
    /// The other nodes of the tailnet.
    pub peers: Vec<Peer>,
}

/// Another node of the tailnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// What its machine is called.
    pub name: Option<String>,
    /// What it answers for.
    pub answers: Vec<Prefix>,
    /// Its home region.
    pub home: Option<String>,
    /// Where it is reached without a relay.
    pub endpoint: Option<SocketAddr>,
    /// Where the peer relay listens by which it is reached.
    pub peer_relay: Option<SocketAddr>,
    /// True if the daemon was running and had sent to it of late: then one of the three says how.
    pub is_active: bool,
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
    backend_state: Option<String>,
    #[serde(rename = "Self")]
    own: Option<ShownPeer>,
    peer: Option<BTreeMap<String, Option<ShownPeer>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ShownPeer {
    host_name: Option<String>,
    relay: Option<String>,
    cur_addr: Option<String>,
    peer_relay: Option<String>,
    active: Option<bool>,
    #[serde(rename = "TailscaleIPs")]
    addresses: Option<Vec<String>>,
    #[serde(rename = "AllowedIPs")]
    allowed: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Prefs {
    want_running: Option<bool>,
}

/// Reads the documents of a folder.
pub(super) fn read(folder: &Path) -> Result<Tailscale, BundleError> {
    let map: Map = document::read_if_there(folder, RELAYS)?.unwrap_or_default();
    let status: Status = document::read_if_there(folder, STATUS)?.unwrap_or_default();
    let prefs: Prefs = document::read_if_there(folder, PREFS)?.unwrap_or_default();
    let relays = relays(map);
    if relays.len() > MOST_RELAYS {
        let cause = format!("more than {MOST_RELAYS} addresses of relays");
        return Err(Cause::Content(cause).of(&folder.join(RELAYS.0)));
    }
    let is_down = status.backend_state.is_some_and(|state| state != RUNNING);
    let is_running = !is_down && prefs.want_running != Some(false);
    let peers = status.peer.unwrap_or_default().into_values().flatten();
    Ok(Tailscale {
        relays,
        home: status.own.and_then(|own| named(own.relay)),
        peers: peers.map(|peer| peer.read(is_running)).collect(),
    })
}

impl Tailscale {
    /// Home region of the peer that answers for an address, of those that have one.
    #[must_use]
    pub fn home_of(&self, address: IpAddr) -> Option<&str> {
        let peers = self.peers.iter();
        let peer = nearest(peers.filter(|peer| peer.home.is_some()), address)?;
        peer.home.as_deref()
    }

    /// The peer that answers for an address.
    #[must_use]
    pub fn peer_of(&self, address: IpAddr) -> Option<&Peer> {
        nearest(self.peers.iter(), address)
    }

    /// What the machine is called that is reached at an address of the underlay, if only one is.
    #[must_use]
    pub fn name_at(&self, address: IpAddr) -> Option<&str> {
        let is_there = |peer: &&Peer| peer.endpoint.is_some_and(|end| end.ip() == address);
        let names = self.peers.iter().filter(is_there);
        let mut names = names.filter_map(|peer| peer.name.as_deref());
        names.next().filter(|_| names.next().is_none())
    }

    /// Where its own datagrams go: to peers, and to peer relays.
    pub fn endpoints(&self) -> impl Iterator<Item = IpAddr> {
        let ends = self.peers.iter();
        let ends = ends.flat_map(|peer| peer.endpoint.into_iter().chain(peer.peer_relay));
        ends.map(|end| end.ip())
    }
}

/// The peer with the longest prefix around an address.
fn nearest<'a>(peers: impl Iterator<Item = &'a Peer>, address: IpAddr) -> Option<&'a Peer> {
    let answers = peers.flat_map(|peer| peer.answers.iter().map(move |prefix| (prefix, peer)));
    let fitting = answers.filter(|(prefix, _)| prefix.contains(address));
    let nearest = fitting.max_by_key(|(prefix, _)| prefix.length());
    nearest.map(|(_, peer)| peer)
}

impl ShownPeer {
    fn read(self, is_running: bool) -> Peer {
        let addresses = self.addresses.unwrap_or_default().into_iter();
        let addresses = addresses.filter_map(|text| text.parse().ok().map(Prefix::host));
        let allowed = self.allowed.unwrap_or_default().into_iter();
        let allowed = allowed.filter_map(|text| text.parse().ok());
        // `address:port:vni:number`
        let peer_relay = self.peer_relay.as_deref();
        let peer_relay = peer_relay.and_then(|text| text.split(":vni:").next());
        Peer {
            name: named(self.host_name),
            answers: addresses.chain(allowed).collect(),
            home: named(self.relay),
            endpoint: self.cur_addr.and_then(|text| text.parse().ok()),
            peer_relay: peer_relay.and_then(|text| text.parse().ok()),
            is_active: is_running && self.active == Some(true),
        }
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

    fn peers(status: &str) -> Tailscale {
        let status: Status = serde_json::from_str(status).expect("a status");
        let peers = status.peer.expect("peers").into_values().flatten();
        Tailscale {
            peers: peers.map(|peer| peer.read(true)).collect(),
            ..Tailscale::default()
        }
    }

    #[test]
    fn the_peer_with_the_longest_prefix_answers_for_an_address() {
        let tailscale = peers(
            r#"{"Peer":{
            "1":{"Relay":"fra","AllowedIPs":["0.0.0.0/0"],"HostName":"all"},
            "2":{"Relay":"nyc","AllowedIPs":["10.42.2.0/24"],"TailscaleIPs":["100.64.0.2"]},
            "3":{"Relay":"","AllowedIPs":["10.42.2.7/32"],"HostName":"one"}}}"#,
        );
        let address = |text: &str| text.parse().expect(text);
        let home = |text| tailscale.home_of(address(text));
        assert_eq!(home("10.42.2.7"), Some("nyc"));
        assert_eq!(home("10.42.3.7"), Some("fra"));
        assert_eq!(home("100.64.0.2"), Some("nyc"));
        assert_eq!(home("2001:db8::1"), None);
        let peer = |text| tailscale.peer_of(address(text))?.name.as_deref();
        assert_eq!(peer("10.42.2.7"), Some("one"));
        assert_eq!(peer("10.42.2.8"), None, "it has no name");
    }

    #[test]
    fn a_peer_is_reached_where_it_says_and_what_is_no_address_is_nothing() {
        let tailscale = peers(
            r#"{"Peer":{
            "1":{"HostName":"n1","Active":true,"CurAddr":"192.168.7.12:41641","PeerRelay":""},
            "2":{"HostName":"n2","CurAddr":"","PeerRelay":"192.168.7.12:40000:vni:7"},
            "3":{"HostName":"n3","CurAddr":"[2001:db8::3]:41641","PeerRelay":"[2001:db8::3]:4:vni:1"},
            "4":{"HostName":"n4","CurAddr":"nowhere","PeerRelay":":vni:"}}}"#,
        );
        let shown: Vec<_> = tailscale
            .peers
            .iter()
            .map(|peer| {
                let end = |end: Option<SocketAddr>| end.map(|end| end.to_string());
                (end(peer.endpoint), end(peer.peer_relay), peer.is_active)
            })
            .collect();
        let end = |text: &str| Some(text.to_owned());
        assert_eq!(
            shown,
            [
                (end("192.168.7.12:41641"), None, true),
                (None, end("192.168.7.12:40000"), false),
                (end("[2001:db8::3]:41641"), end("[2001:db8::3]:4"), false),
                (None, None, false),
            ]
        );
        let at = |text: &str| tailscale.name_at(text.parse().expect(text));
        assert_eq!(at("192.168.7.12"), Some("n1"));
        assert_eq!(at("192.168.7.13"), None);
    }
}
