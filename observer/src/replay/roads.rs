//! Which way a packet of the node takes, by the rules and tables of its bundle: rules in their order, in
//! each table the longest prefix, a thrown packet on to the next rule. Pure.

use std::net::IpAddr;

use crate::interfaces::IfIndex;
use crate::record::{Routes, THROW};
use crate::routing::{MAIN_TABLE, PolicyRule, RuleAction, TAILSCALE_TABLE, TableRoute};

/// Tables in the order of the rules that the kernel and tailscaled make.
const USUAL: [u32; 4] = [255, TAILSCALE_TABLE, MAIN_TABLE, 253];

/// The route of an unmarked packet of the node itself; `None` if there is none, or none is known.
pub(super) fn route(routes: &Routes, destination: IpAddr) -> Option<&TableRoute> {
    let rules = routes.rules.get(usize::from(destination.is_ipv6()))?;
    let Some(rules) = rules else {
        let mut tables = USUAL.iter();
        return tables.find_map(|&table| in_table(routes, table, destination));
    };
    for rule in rules.iter().filter(|rule| fits(rule, destination)) {
        let RuleAction::Table(table) = rule.action else {
            return None;
        };
        if let Some(route) = in_table(routes, table, destination) {
            return Some(route);
        }
    }
    None
}

/// Devices that carry a default route of the main table.
pub(super) fn default_devices(routes: &Routes) -> impl Iterator<Item = IfIndex> {
    let main = routes.tables.get(&MAIN_TABLE).into_iter().flatten();
    let defaults = main.filter(|route| route.destination.length() == 0);
    defaults.filter_map(|route| route.device)
}

/// The route of a table; `None` if it has none, or hands the packet on.
fn in_table(routes: &Routes, table: u32, destination: IpAddr) -> Option<&TableRoute> {
    let routes = routes.tables.get(&table).into_iter().flatten();
    let fitting = routes.filter(|route| route.destination.contains(destination));
    let best =
        fitting.min_by_key(|route| (std::cmp::Reverse(route.destination.length()), route.metric));
    best.filter(|route| route.kind != THROW)
}

fn fits(rule: &PolicyRule, destination: IpAddr) -> bool {
    let to = rule.destination;
    let fits = rule.mark.is_none_or(|(value, _)| value == 0)
        && rule.source.is_none_or(|source| source.length() == 0)
        && to.is_none_or(|to| to.contains(destination))
        && rule.input.is_none();
    fits != rule.inverted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::RouteKind;

    fn routes() -> Routes {
        let route = |table, to: &str, kind, gateway: Option<&str>| {
            let route = TableRoute {
                destination: to.parse().expect("a prefix"),
                kind,
                device: Some(IfIndex(table)),
                gateway: gateway.map(|text| text.parse().expect("an address")),
                metric: 0,
            };
            (table, route)
        };
        let mut routes = Routes::default();
        for (table, route) in [
            route(254, "0.0.0.0/0", RouteKind::Unicast, Some("192.0.2.1")),
            route(254, "10.42.0.0/16", RouteKind::Unicast, None),
            route(254, "10.42.2.0/24", RouteKind::Unicast, Some("10.42.2.0")),
            route(52, "10.42.0.0/16", RouteKind::Unicast, None),
            route(52, "10.42.2.0/24", THROW, None),
            route(255, "192.0.2.7/32", RouteKind::Local, None),
        ] {
            routes.tables.entry(table).or_default().push(route);
        }
        routes
    }

    fn rule(priority: u32, mark: Option<(u32, u32)>, action: RuleAction) -> PolicyRule {
        PolicyRule {
            priority,
            mark,
            source: None,
            destination: None,
            input: None,
            inverted: false,
            action,
        }
    }

    fn table(routes: &Routes, destination: &str) -> Option<u32> {
        let route = route(routes, destination.parse().expect("an address"))?;
        Some(route.device.expect("a device").0)
    }

    #[test]
    fn tailscales_table_comes_before_main_and_hands_on_what_it_throws() {
        let mut routes = routes();
        for with_rules in [false, true] {
            if with_rules {
                routes.rules[0] = Some(vec![
                    rule(0, None, RuleAction::Table(255)),
                    rule(5_210, Some((0x8_0000, 0xff_0000)), RuleAction::Table(254)),
                    rule(5_250, Some((0x8_0000, 0xff_0000)), RuleAction::Unreachable),
                    rule(5_270, None, RuleAction::Table(52)),
                    rule(32_766, None, RuleAction::Table(254)),
                ]);
            }
            assert_eq!(table(&routes, "10.42.1.7"), Some(52));
            assert_eq!(table(&routes, "10.42.2.7"), Some(254));
            assert_eq!(table(&routes, "192.0.2.7"), Some(255));
            assert_eq!(table(&routes, "203.0.113.9"), Some(254));
        }
        assert_eq!(default_devices(&routes).collect::<Vec<_>>(), [IfIndex(254)]);
    }

    #[test]
    fn rules_that_do_not_fit_are_passed_over_and_a_refusal_ends_the_search() {
        let mut routes = routes();
        let mut of_port = rule(10, None, RuleAction::Table(254));
        of_port.input = Some("cni0".to_owned());
        let mut inverted = rule(11, Some((1, 1)), RuleAction::Table(254));
        inverted.inverted = true;
        routes.rules[0] = Some(vec![of_port.clone(), rule(12, None, RuleAction::Prohibit)]);
        assert_eq!(table(&routes, "10.42.1.7"), None);
        routes.rules[0] = Some(vec![
            of_port,
            inverted,
            rule(12, None, RuleAction::Prohibit),
        ]);
        assert_eq!(table(&routes, "10.42.1.7"), Some(254));
    }
}
