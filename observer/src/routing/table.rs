//! Policy rules and the routes of one table, for what a look-up alone cannot tell: which rule comes
//! first, and what a table shadows.

use std::io::ErrorKind;
use std::net::IpAddr;

use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::{
    RuleAction as NetlinkAction, RuleAttribute, RuleFlags, RuleMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Routing;
use super::question::{RouteKind, address, gateway};
use crate::interfaces::netlink::Question;
use crate::interfaces::{IfIndex, NetlinkError, Prefix};

/// The table that routes stand in unless somebody says otherwise.
pub const MAIN_TABLE: u32 = 254;

/// tailscaled's table.
pub const TAILSCALE_TABLE: u32 = 52;

/// A policy rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Its place: lower comes first.
    pub priority: u32,
    /// It is for packets with `mark & mask == value`: (value, mask).
    pub mark: Option<(u32, u32)>,
    /// It is for packets from there.
    pub source: Option<Prefix>,
    /// It is for packets to there.
    pub destination: Option<Prefix>,
    /// It is for packets that came in by this device.
    pub input: Option<String>,
    /// It is for the packets that its conditions do not fit.
    pub inverted: bool,
    /// What it does.
    pub action: RuleAction,
}

/// What a policy rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Look into this table.
    Table(u32),
    /// No way.
    Unreachable,
    /// Forbidden.
    Prohibit,
    /// Dropped in silence.
    Blackhole,
    /// Anything else, by its number.
    Other(u8),
}

/// A route of a table; one with several next hops stands here once for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRoute {
    /// Where to.
    pub destination: Prefix,
    /// Its kind.
    pub kind: RouteKind,
    /// The device.
    pub device: Option<IfIndex>,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// Its metric: lower comes first.
    pub metric: u32,
}

impl Routing {
    /// All policy rules of IPv4, or of IPv6, in their order.
    pub fn rules(&mut self, of_ipv6: bool) -> Result<Vec<PolicyRule>, NetlinkError> {
        let mut message = RuleMessage::default();
        message.header.family = rule_family(of_ipv6);
        let entries = self.all("policy rules", &Question::Rule(message))?;
        let rules = entries.into_iter().filter_map(|entry| {
            if let RouteNetlinkMessage::NewRule(rule) = entry {
                Some(policy_rule(&rule))
            } else {
                None
            }
        });
        Ok(rules.collect())
    }

    /// The routes of `table`, of both families.
    pub fn routes(&mut self, table: u32) -> Result<Vec<TableRoute>, NetlinkError> {
        let mut routes = Vec::new();
        for any in [Prefix::all_ipv4(), Prefix::all_ipv6()] {
            let mut message = RouteMessage::default();
            message.header.address_family = super::question::family(any.address());
            message.attributes.push(RouteAttribute::Table(table));
            let what = format!("routes of table {table}");
            match self.all(&what, &Question::Route(message)) {
                Ok(entries) => {
                    let found = entries.iter().filter_map(|entry| {
                        if let RouteNetlinkMessage::NewRoute(route) = entry {
                            Some(table_routes(route, any))
                        } else {
                            None
                        }
                    });
                    routes.extend(found.flatten());
                }
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routes)
    }
}

/// True if there is no such table, which the kernel makes with its first route.
fn is_absence(error: &NetlinkError) -> bool {
    matches!(error, NetlinkError::Ask { cause, .. } if cause.kind() == ErrorKind::NotFound)
}

const fn rule_family(of_ipv6: bool) -> AddressFamily {
    if of_ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    }
}

/// The routes that `message` stands for. `any` is its destination where it names none.
fn table_routes(message: &RouteMessage, any: Prefix) -> Vec<TableRoute> {
    let mut route = TableRoute {
        destination: any,
        kind: message.header.kind.into(),
        device: None,
        gateway: None,
        metric: 0,
    };
    let mut several = Vec::new();
    for attribute in &message.attributes {
        if let RouteAttribute::Destination(destination) = attribute {
            let length = message.header.destination_prefix_length;
            let prefix = address(destination).and_then(|to| Prefix::new(to, length).ok());
            route.destination = prefix.unwrap_or(route.destination);
        } else if let RouteAttribute::Oif(device) = attribute {
            route.device = Some(IfIndex(*device));
        } else if let RouteAttribute::Priority(metric) = attribute {
            route.metric = *metric;
        } else if let RouteAttribute::MultiPath(hops) = attribute {
            several.extend(hops.iter().map(|hop| {
                let gateway = hop.attributes.iter().find_map(gateway);
                (IfIndex(hop.interface_index), gateway)
            }));
        }
        route.gateway = route.gateway.or(gateway(attribute));
    }
    if several.is_empty() {
        return vec![route];
    }
    let one = |(device, gateway)| TableRoute {
        device: Some(device),
        gateway,
        ..route.clone()
    };
    several.into_iter().map(one).collect()
}

fn policy_rule(message: &RuleMessage) -> PolicyRule {
    let header = &message.header;
    let mut table = u32::from(header.table);
    let mut value = None;
    let mut mask = u32::MAX;
    let mut rule = PolicyRule {
        priority: 0,
        mark: None,
        source: None,
        destination: None,
        input: None,
        inverted: header.flags.contains(RuleFlags::Invert),
        action: RuleAction::Table(table),
    };
    for attribute in &message.attributes {
        if let RuleAttribute::Priority(priority) = attribute {
            rule.priority = *priority;
        } else if let RuleAttribute::FwMark(mark) = attribute {
            value = Some(*mark);
        } else if let RuleAttribute::FwMask(bits) = attribute {
            mask = *bits;
        } else if let RuleAttribute::Source(from) = attribute {
            rule.source = Prefix::new(*from, header.src_len).ok();
        } else if let RuleAttribute::Destination(to) = attribute {
            rule.destination = Prefix::new(*to, header.dst_len).ok();
        } else if let RuleAttribute::Iifname(device) = attribute {
            rule.input = Some(device.clone());
        } else if let RuleAttribute::Table(number) = attribute {
            table = *number;
        }
    }
    rule.mark = value.map(|value| (value, mask));
    rule.action = action(header.action, table);
    rule
}

fn action(action: NetlinkAction, table: u32) -> RuleAction {
    if action == NetlinkAction::ToTable {
        RuleAction::Table(table)
    } else if action == NetlinkAction::Unreachable {
        RuleAction::Unreachable
    } else if action == NetlinkAction::Prohibit {
        RuleAction::Prohibit
    } else if action == NetlinkAction::Blackhole {
        RuleAction::Blackhole
    } else {
        RuleAction::Other(action.into())
    }
}
