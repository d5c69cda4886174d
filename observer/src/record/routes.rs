//! Policy rules and routes of a bundle, out of `ip -j rule` and `ip -j route show table all`. Both may be
//! missing: then nothing is known of the node's roads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use super::document::Named;
use super::{BundleError, Link, document};
use crate::interfaces::{IfIndex, Prefix};
use crate::routing::{MAIN_TABLE, PolicyRule, RouteKind, RuleAction, TableRoute};

/// (rules, routes) of each family.
const FILES: [(Named, Named); 2] = [
    (
        ("ip-rule.json", "with `ip -j rule`"),
        ("ip-route.json", "with `ip -j route show table all`"),
    ),
    (
        ("ip6-rule.json", "with `ip -6 -j rule`"),
        ("ip6-route.json", "with `ip -6 -j route show table all`"),
    ),
];
/// The kind of a route that hands a packet on to the next rule.
pub const THROW: RouteKind = RouteKind::Other(libc::RTN_THROW);
const LOCAL_TABLE: u32 = 255;
const DEFAULT_TABLE: u32 = 253;

/// Rules and tables of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Rules of IPv4 and of IPv6, in their order; `None` where they are not in the bundle.
    pub rules: [Option<Vec<PolicyRule>>; 2],
    /// Routes by table.
    pub tables: BTreeMap<u32, Vec<TableRoute>>,
    /// What is in the bundle and not here.
    pub not_read: NotRead,
}

/// Rules and routes that ask for what no look-up here has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotRead {
    /// Rules: a socket's device, a table without number, an action that is no end.
    pub rules: u64,
    /// Routes: a table without number, another kind, a destination that is none.
    pub routes: u64,
}

#[derive(Deserialize)]
struct ShownRule {
    #[serde(default)]
    priority: u32,
    src: Option<String>,
    srclen: Option<u8>,
    dst: Option<String>,
    dstlen: Option<u8>,
    fwmark: Option<String>,
    fwmask: Option<String>,
    iif: Option<String>,
    oif: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    not: bool,
    table: Option<String>,
    action: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct ShownRoute {
    #[serde(rename = "type")]
    kind: Option<String>,
    dst: Option<String>,
    gateway: Option<IpAddr>,
    dev: Option<String>,
    table: Option<String>,
    #[serde(default)]
    metric: u32,
    /// Printed of IPv6 alone.
    pref: Option<String>,
    #[serde(default)]
    nexthops: Vec<ShownHop>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct ShownHop {
    gateway: Option<IpAddr>,
    dev: Option<String>,
}

/// Reads what there is in a folder.
pub(super) fn read(folder: &Path, links: &[Link]) -> Result<Routes, BundleError> {
    let named = |link: &Link| (link.device.name.clone(), link.device.ifindex);
    let numbers: HashMap<_, _> = links.iter().map(named).collect();
    let mut routes = Routes::default();
    let mut not_read = BTreeSet::new();
    for (is_ipv6, (rules, shown)) in [false, true].into_iter().zip(FILES) {
        let shown_rules: Option<Vec<ShownRule>> = document::read_if_there(folder, rules)?;
        let read = shown_rules.map(|shown| {
            let mut rules: Vec<_> = shown.iter().filter_map(rule).collect();
            routes.not_read.rules += shown.len().abs_diff(rules.len()) as u64;
            rules.sort_by_key(|rule| rule.priority);
            rules
        });
        if let Some(place) = routes.rules.get_mut(usize::from(is_ipv6)) {
            *place = read;
        }
        let shown: Option<Vec<ShownRoute>> = document::read_if_there(folder, shown)?;
        for shown in shown.into_iter().flatten().filter(is_to_one) {
            // `ip -j route show table all` shows both families.
            let Some((number, one)) = route(&shown, is_ipv6, &numbers) else {
                not_read.insert((is_ipv6 || shown.pref.is_some(), shown));
                continue;
            };
            let table = routes.tables.entry(number).or_default();
            for route in one {
                if !table.contains(&route) {
                    table.push(route);
                }
            }
        }
    }
    routes.not_read.routes = not_read.len() as u64;
    Ok(routes)
}

/// `None` of a rule that asks for what no look-up here has: a device of a socket, a table without number.
fn rule(shown: &ShownRule) -> Option<PolicyRule> {
    let prefix = |text: &Option<String>, length: Option<u8>| match text.as_deref() {
        None | Some("all") => Some(None),
        Some(text) => {
            let address: IpAddr = text.parse().ok()?;
            let length = length.unwrap_or(Prefix::host(address).length());
            Prefix::new(address, length).ok().map(Some)
        }
    };
    if shown.oif.is_some() {
        return None;
    }
    let action = match shown.action.as_deref() {
        None => RuleAction::Table(table(shown.table.as_deref())?),
        Some("unreachable") => RuleAction::Unreachable,
        Some("prohibit") => RuleAction::Prohibit,
        Some("blackhole") => RuleAction::Blackhole,
        Some(_) => return None,
    };
    let mark = match (&shown.fwmark, &shown.fwmask) {
        (None, _) => None,
        (Some(mark), None) => Some((number(mark)?, u32::MAX)),
        (Some(mark), Some(mask)) => Some((number(mark)?, number(mask)?)),
    };
    Some(PolicyRule {
        priority: shown.priority,
        mark,
        source: prefix(&shown.src, shown.srclen)?,
        destination: prefix(&shown.dst, shown.dstlen)?,
        input: shown.iif.clone(),
        inverted: shown.not,
        action,
    })
}

/// Whether a packet of a path may take it.
fn is_to_one(shown: &ShownRoute) -> bool {
    let kind = shown.kind.as_deref();
    !matches!(kind, Some("broadcast" | "multicast" | "anycast"))
}

fn route(
    shown: &ShownRoute,
    is_ipv6: bool,
    numbers: &HashMap<String, IfIndex>,
) -> Option<(u32, Vec<TableRoute>)> {
    let is_ipv6 = is_ipv6 || shown.pref.is_some();
    let any = if is_ipv6 {
        Prefix::all_ipv6()
    } else {
        Prefix::all_ipv4()
    };
    let destination = match shown.dst.as_deref()? {
        "default" => any,
        text => match text.parse() {
            Ok(prefix) => prefix,
            Err(_) => Prefix::host(text.parse().ok()?),
        },
    };
    let kind = match shown.kind.as_deref() {
        None | Some("unicast") => RouteKind::Unicast,
        Some("local") => RouteKind::Local,
        Some("throw") => THROW,
        Some("unreachable") => RouteKind::Unreachable,
        Some("prohibit") => RouteKind::Prohibited,
        Some("blackhole") => RouteKind::Refused,
        Some(_) => return None,
    };
    let device = |name: &Option<String>| numbers.get(name.as_deref()?).copied();
    let one = |gateway, dev| TableRoute {
        destination,
        kind,
        device: device(dev),
        gateway,
        metric: shown.metric,
    };
    let routes = if shown.nexthops.is_empty() {
        vec![one(shown.gateway, &shown.dev)]
    } else {
        let hops = shown.nexthops.iter();
        hops.map(|hop| one(hop.gateway, &hop.dev)).collect()
    };
    Some((table(shown.table.as_deref())?, routes))
}

/// The number of a table; those that a machine has names for of its own are not known.
fn table(name: Option<&str>) -> Option<u32> {
    match name {
        None | Some("main") => Some(MAIN_TABLE),
        Some("local") => Some(LOCAL_TABLE),
        Some("default") => Some(DEFAULT_TABLE),
        Some(number) => number.parse().ok(),
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The tools print `"not": null` for what is so.
fn is_there<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| true)
}
