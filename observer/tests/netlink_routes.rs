//! The kernel's answers against what `ip route get` prints, in this node:
//!
//! ```text
//!   cni0       10.42.1.1/24                          pods of this node
//!   flannel.1  10.42.1.0/32   10.42.2.0/24 via 10.42.2.0 onlink, VTEP 192.168.105.3
//!                             10.42.3.0/24 via 10.42.3.0 onlink, VTEP 100.64.0.3
//!   tailscale0 100.64.0.2/32  table 52: 100.64.0.3, 10.42.4.0/24
//!   lima0      192.168.105.2/24
//!   eth0       192.168.1.2/24 default via 192.168.1.1
//!   rules      5210 mark 0x80000/0xff0000 main, 5230 same default, 5250 same unreachable, 5270 52
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "netlink/node.rs"]
mod node;
#[path = "netlink/oracle.rs"]
mod oracle;
#[path = "netlink/world.rs"]
mod world;

use node::{PEER_MAC, address, bridge, build_node, devices, number};
use observer::interfaces::IfIndex;
use observer::routing::{
    BYPASS_MARK, MAIN_TABLE, Mac, OverlayEnd, OverlayRoad, PolicyRule, RouteKind, RouteQuestion,
    Routing, RuleAction, TAILSCALE_TABLE,
};
use oracle::{oracle, summary};
use world::{in_new_namespace, ip};

#[test]
fn every_answer_is_what_ip_route_get_says() {
    in_new_namespace("every_answer_is_what_ip_route_get_says", || {
        build_node();
        let mut routing = Routing::open().unwrap();
        let destinations = [
            "192.168.105.3",
            "192.168.1.1",
            "192.168.1.2",
            "192.168.1.255",
            "203.0.113.7",
            "100.64.0.3",
            "100.64.0.9",
            "10.42.1.7",
            "10.42.2.7",
            "10.42.4.7",
            "10.96.0.1",
            "10.97.0.1",
            "10.98.0.1",
            "10.99.0.1",
            "10.95.0.1",
            "224.0.0.1",
            "127.0.0.1",
            "fd00:2::7",
            "fd00:9::7",
            "::1",
            "2001:db8::1",
        ];
        let mut tables = Vec::new();
        for destination in destinations {
            for mark in [0, BYPASS_MARK, 0x4_0000, 0x8_1234] {
                let question = RouteQuestion {
                    mark,
                    ..RouteQuestion::to(address(destination))
                };
                let answer = routing.route(question).unwrap();
                assert_eq!(
                    summary(&answer),
                    oracle(question),
                    "{question:?}: {answer:?}"
                );
                tables.push(answer.table);
            }
        }
        assert!(tables.contains(&Some(TAILSCALE_TABLE)) && tables.contains(&Some(MAIN_TABLE)));
    });
}

#[test]
fn a_forwarded_packet_is_asked_for_with_its_source_and_input() {
    in_new_namespace(
        "a_forwarded_packet_is_asked_for_with_its_source_and_input",
        || {
            build_node();
            ip("rule add from 10.42.1.7 iif cni0 priority 100 lookup 77");
            ip("route add 10.42.2.0/24 dev lima0 table 77");
            let mut routing = Routing::open().unwrap();
            let cni0 = Some(number("cni0"));
            let cases = [
                (Some("10.42.1.7"), cni0, "10.42.2.7", "lima0"),
                (Some("10.42.1.8"), cni0, "10.42.2.7", "flannel.1"),
                (Some("10.42.1.7"), cni0, "10.42.4.7", "tailscale0"),
                (None, None, "10.42.2.7", "flannel.1"),
            ];
            for (source, input, destination, device) in cases {
                let question = RouteQuestion {
                    source: source.map(address),
                    input,
                    ..RouteQuestion::to(address(destination))
                };
                let answer = routing.route(question).unwrap();
                assert_eq!(summary(&answer), oracle(question), "{question:?}");
                assert_eq!(answer.device, Some(number(device)), "{question:?}");
            }
        },
    );
}

#[test]
fn the_route_that_fits_tells_a_default_one_from_one_for_the_destination() {
    let test = "the_route_that_fits_tells_a_default_one_from_one_for_the_destination";
    in_new_namespace(test, || {
        build_node();
        ip("-6 route add default via fd00:1::1 dev eth0");
        let mut routing = Routing::open().unwrap();
        let cases = [
            ("203.0.113.7", Some(0)),
            ("10.42.9.7", Some(0)),
            ("10.42.2.7", Some(24)),
            ("10.42.4.7", Some(24)),
            ("10.96.0.1", Some(16)),
            ("192.168.105.3", Some(24)),
            ("100.64.0.3", Some(32)),
            ("10.97.0.1", None),
            ("192.168.1.2", None),
            ("fd00:2::7", Some(64)),
            ("2001:db8::1", Some(0)),
        ];
        for (destination, length) in cases {
            let question = RouteQuestion::to(address(destination));
            let found = routing.matched(question).unwrap();
            assert_eq!(found, length, "{destination}");
        }
    });
}

#[test]
fn a_refusal_is_an_answer_and_spoils_no_later_one() {
    in_new_namespace("a_refusal_is_an_answer_and_spoils_no_later_one", || {
        build_node();
        let mut routing = Routing::open().unwrap();
        let mut kind = |destination: &str, source: Option<&str>| {
            let question = RouteQuestion {
                source: source.map(address),
                ..RouteQuestion::to(address(destination))
            };
            routing.route(question).unwrap().kind
        };
        assert_eq!(kind("10.97.0.1", None), RouteKind::Unreachable);
        assert_eq!(kind("10.98.0.1", None), RouteKind::Prohibited);
        assert_eq!(kind("10.99.0.1", None), RouteKind::Refused);
        assert_eq!(kind("203.0.113.7", Some("192.0.2.1")), RouteKind::NoRoute);
        assert_eq!(kind("2001:db8::1", None), RouteKind::NoRoute);
        assert_eq!(kind("192.168.1.2", None), RouteKind::Local);
        assert_eq!(kind("192.168.1.9", None), RouteKind::Unicast);
    });
}

#[test]
fn the_chain_of_a_remote_pod_ends_at_its_vtep() {
    in_new_namespace("the_chain_of_a_remote_pod_ends_at_its_vtep", || {
        build_node();
        let mut routing = Routing::open().unwrap();
        let near = road(&mut routing, "10.42.2.7").unwrap();
        assert_eq!(near.vtep(), Some(address("192.168.105.3")));
        assert_eq!(near.next_hop, address("10.42.2.0"));
        let OverlayEnd::Vtep { mac, outer, .. } = near.end else {
            panic!("{near:?}");
        };
        assert_eq!(
            (mac.to_string(), outer.is_on_link()),
            (PEER_MAC.to_owned(), true)
        );
        assert_eq!(outer.device, Some(number("lima0")));

        let far = road(&mut routing, "10.42.3.7").unwrap();
        let OverlayEnd::Vtep {
            address: vtep,
            outer,
            ..
        } = far.end
        else {
            panic!("{far:?}");
        };
        assert_eq!(vtep, address("100.64.0.3"));
        let by_table_52 = (outer.device, outer.table);
        assert_eq!(
            by_table_52,
            (Some(number("tailscale0")), Some(TAILSCALE_TABLE))
        );

        assert_eq!(road(&mut routing, "10.42.4.7"), None);
        assert_eq!(road(&mut routing, "10.42.1.7"), None);
    });
}

#[test]
fn the_outer_packet_is_asked_for_with_the_source_of_the_vxlan_device() {
    let name = "the_outer_packet_is_asked_for_with_the_source_of_the_vxlan_device";
    in_new_namespace(name, || {
        build_node();
        ip("rule add from 192.168.105.2 priority 90 lookup 77");
        ip("route add 192.168.105.3 dev eth0 table 77");
        let mut routing = Routing::open().unwrap();
        let OverlayEnd::Vtep { outer, .. } = road(&mut routing, "10.42.2.7").unwrap().end else {
            panic!("the chain is broken");
        };
        assert_eq!(
            (outer.device, outer.table),
            (Some(number("eth0")), Some(77))
        );
    });
}

#[test]
fn a_broken_chain_tells_where_it_breaks() {
    in_new_namespace("a_broken_chain_tells_where_it_breaks", || {
        build_node();
        let mut routing = Routing::open().unwrap();
        bridge(&format!(
            "fdb delete {PEER_MAC} dev flannel.1 dst 192.168.105.3 self"
        ));
        let end = road(&mut routing, "10.42.2.7").unwrap().end;
        assert!(matches!(end, OverlayEnd::NoForwarding { .. }), "{end:?}");
        ip("neighbour delete 10.42.2.0 dev flannel.1");
        let end = road(&mut routing, "10.42.2.7").unwrap().end;
        assert_eq!(end, OverlayEnd::NoNeighbour);
        ip("route delete 10.42.2.0/24");
        assert_eq!(road(&mut routing, "10.42.2.7"), None);
    });
}

#[test]
fn a_device_that_is_gone_has_no_entries() {
    in_new_namespace("a_device_that_is_gone_has_no_entries", || {
        build_node();
        let mut routing = Routing::open().unwrap();
        let gone = IfIndex(9_999);
        assert_eq!(routing.fdb(gone).unwrap(), []);
        assert_eq!(routing.neighbours(gone).unwrap(), []);
        assert_eq!(routing.fdb_entry(gone, Mac([2; 6])).unwrap(), None);
        assert_eq!(routing.neighbour(gone, address("10.42.2.0")).unwrap(), None);
    });
}

#[test]
fn tables_hold_what_was_written_into_them() {
    in_new_namespace("tables_hold_what_was_written_into_them", || {
        build_node();
        ip("link add flannel.9 type vxlan id 9 dstport 8473");
        bridge(&format!(
            "fdb append {PEER_MAC} dev flannel.9 dst 192.0.2.9 self"
        ));
        let mut routing = Routing::open().unwrap();
        let overlay = number("flannel.1");

        let mut vteps: Vec<_> = routing
            .fdb(overlay)
            .unwrap()
            .iter()
            .map(|entry| entry.vtep)
            .collect();
        vteps.sort();
        assert_eq!(vteps, [address("100.64.0.3"), address("192.168.105.3")]);
        let mut neighbours = routing.neighbours(overlay).unwrap();
        neighbours.retain(|neighbour| neighbour.address.is_ipv4());
        assert_eq!(neighbours.len(), 2, "{neighbours:?}");

        let accepted = routing.routes(TAILSCALE_TABLE).unwrap();
        let accepted: Vec<_> = accepted
            .iter()
            .map(|route| route.destination.to_string())
            .collect();
        assert_eq!(accepted, ["10.42.4.0/24", "100.64.0.3/32"]);
        assert_eq!(routing.routes(4_000).unwrap(), []);

        let rules = routing.rules(false).unwrap();
        let places: Vec<_> = rules.iter().map(|rule| rule.priority).collect();
        assert_eq!(places, [0, 5210, 5230, 5250, 5270, 32766, 32767]);
        let marked = Some((BYPASS_MARK, 0xff_0000));
        assert_eq!(
            (rules[1].mark, rules[1].action),
            (marked, RuleAction::Table(MAIN_TABLE))
        );
        assert_eq!(rules[3].action, RuleAction::Unreachable);
        let into_52 = |rule: &PolicyRule| rule.action == RuleAction::Table(TAILSCALE_TABLE);
        assert!(into_52(&rules[4]) && rules[4].mark.is_none());
    });
}

#[test]
fn the_devices_of_vteps_endpoints_and_default_routes_are_wanted() {
    in_new_namespace(
        "the_devices_of_vteps_endpoints_and_default_routes_are_wanted",
        || {
            build_node();
            let mut routing = Routing::open().unwrap();
            let endpoint = address("198.51.100.4");
            ip("route add 198.51.100.0/24 dev cni0 table 52");
            let wanted = routing.wanted_underlays(&devices(), &[endpoint]).unwrap();
            let routed: Vec<_> = wanted.routed.into_iter().collect();
            let mut expected = ["lima0", "eth0", "tailscale0"].map(number);
            expected.sort();
            assert_eq!(routed, expected);
            let default_routes: Vec<_> = wanted.default_routes.into_iter().collect();
            assert_eq!(default_routes, [number("eth0")]);
        },
    );
}

fn road(routing: &mut Routing, pod: &str) -> Option<OverlayRoad> {
    let question = RouteQuestion::to(address(pod));
    routing.overlay_road(question, &devices()).unwrap()
}
