//! The devices of a bundle, out of `ip -j -d link` and `ip -j address`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::document::Named;
use super::error::Cause;
use super::{BundleError, document};
use crate::interfaces::{Device, IfIndex, Kind, Prefix, Vxlan};

/// A device with its hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The device.
    pub device: Device,
    /// Its Ethernet address, if it has one.
    pub mac: Option<[u8; 6]>,
}

const LINKS: Named = ("ip-link.json", "with `ip -j -d link`");
const ADDRESSES: Named = ("ip-address.json", "with `ip -j address`");

/// Every field may be missing: the tools print empty objects for what a filter leaves out.
#[derive(Deserialize)]
struct Shown {
    ifindex: Option<u32>,
    ifname: Option<String>,
    #[serde(default)]
    mtu: u32,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    link_type: String,
    address: Option<String>,
    master: Option<String>,
    #[serde(default)]
    linkinfo: Value,
    #[serde(default)]
    addr_info: Vec<Held>,
}

#[derive(Deserialize)]
struct Held {
    local: Option<IpAddr>,
    prefixlen: Option<u8>,
}

/// Reads both documents of a folder.
pub(super) fn read(folder: &Path) -> Result<Vec<Link>, BundleError> {
    let shown: Vec<Shown> = document::read(folder, LINKS)?;
    let held: Vec<Shown> = document::read(folder, ADDRESSES)?;
    let mut links = links(&shown);
    if links.is_empty() {
        let cause = "no device in it; write it with `ip -j -d link`".to_owned();
        return Err(Cause::Content(cause).of(&folder.join(LINKS.0)));
    }
    let mut numbers = HashSet::new();
    if let Some(twice) = links
        .iter()
        .find(|link| !numbers.insert(link.device.ifindex))
    {
        let number = twice.device.ifindex.0;
        let cause = format!("two devices with number {number}; write it with `ip -j -d link`");
        return Err(Cause::Content(cause).of(&folder.join(LINKS.0)));
    }
    for entry in held {
        let owner = |link: &&mut Link| Some(link.device.ifindex.0) == entry.ifindex;
        let Some(link) = links.iter_mut().find(owner) else {
            continue;
        };
        for held in entry.addr_info {
            let (Some(address), Some(length)) = (held.local, held.prefixlen) else {
                continue;
            };
            let prefix = Prefix::new(address, length);
            let prefix = prefix
                .map_err(|error| Cause::Content(error.to_string()).of(&folder.join(ADDRESSES.0)))?;
            link.device.addresses.push(prefix);
        }
    }
    Ok(links)
}

fn links(shown: &[Shown]) -> Vec<Link> {
    let named = |entry: &Shown| Some((entry.ifname.clone()?, IfIndex(entry.ifindex?)));
    let numbers: HashMap<_, _> = shown.iter().filter_map(named).collect();
    let number = |name: &str| numbers.get(name).copied();
    let link = |entry: &Shown| {
        let (name, ifindex) = named(entry)?;
        let device = Device {
            ifindex,
            incarnation: 0,
            name,
            kind: kind(entry, number),
            mtu: entry.mtu,
            master: entry.master.as_deref().and_then(number),
            up: entry.flags.iter().any(|flag| flag == "UP"),
            link_layer: entry.link_type == "ether",
            addresses: Vec::new(),
        };
        let mac = entry.address.as_deref().and_then(mac);
        Some(Link { device, mac })
    };
    shown.iter().filter_map(link).collect()
}

fn kind(entry: &Shown, number: impl Fn(&str) -> Option<IfIndex>) -> Kind {
    let data = |key| {
        entry
            .linkinfo
            .get("info_data")
            .and_then(|data| data.get(key))
    };
    let text = |key| data(key).and_then(Value::as_str);
    let count = |key| data(key).and_then(Value::as_u64);
    match entry.linkinfo.get("info_kind").and_then(Value::as_str) {
        Some("veth") => Kind::Veth,
        Some("bridge") => Kind::Bridge,
        Some("tun") => Kind::Tun,
        Some("wireguard") => Kind::WireGuard,
        Some("vxlan") => Kind::Vxlan(Vxlan {
            id: count("id").and_then(|id| id.try_into().ok()).unwrap_or(0),
            port: count("port")
                .and_then(|port| port.try_into().ok())
                .unwrap_or(0),
            local: text("local").and_then(|local| local.parse().ok()),
            lower: text("link").and_then(number),
        }),
        Some(other) => Kind::Other(other.to_owned()),
        None if entry.link_type == "loopback" => Kind::Loopback,
        None => Kind::Physical,
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut mac {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}
