//! The lines of JSON, letter by letter.

use observer_ebpf::abi::point::Point;

use super::*;
use crate::export::fixture;
use crate::export::span::{ClockOffset, Context, OtherEnd, spans};
use crate::latency::Side;
use crate::path::{Class, RelayMode};

#[test]
fn a_path_is_the_object_of_the_bundle_document() {
    let mut report = fixture::report();
    report.destination.services = vec!["10.43.0.9:80".parse().unwrap()];
    assert_eq!(
        path_line(&report).unwrap(),
        concat!(
            r#"{"type":"path","source":{"node":"n1","address":"10.42.1.5","pod":"shop/web-0","services":[]},"#,
            r#""destination":{"node":"n2","address":"10.42.2.7","pod":null,"services":["10.43.0.9:80"]},"#,
            r#""class":"vxlan-lan","present":true,"encap":"vxlan","depth":1,"proxy":false,"#,
            r#""tailscale_mode":"none","tailscale_mode_by":null,"#,
            r#""derp_region":null,"peer_relay":null,"#,
            r#""intended":null,"configured":null,"observed":"vxlan-lan","#,
            r#""mtu":{"effective":1450,"bottleneck":"flannel.1"},"#,
            r#""packets":120,"bytes":96000,"#,
            r#""points":{"overlay":{"packets":120,"bytes":96000},"#,
            r#""pod":{"packets":120,"bytes":96000},"underlay":{"packets":120,"bytes":96000}},"#,
            r#""fragments":{"inner":0,"vxlan":4,"wireguard":null},"tcp":{"mss":1400,"with_gaps":2},"#,
            r#""oversize":{"drops":3,"proofs":[{"proof":"kfree_skb","place":"bridge_port","#,
            r#""reason":"NOT_SPECIFIED","device":"veth7","mtu":1230,"packets":3,"bytes":4200,"#,
            r#""largest":1450},{"proof":"icmp_too_big","mtu":null,"announced":0,"packets":2,"#,
            r#""from":"10.42.2.1"}]},"#,
            r#""rtt_ms":{"pod":{"count":60,"p50":0.421,"p99":0.842},"bridge":null,"#,
            r#""overlay":{"count":60,"p50":0.4,"p99":0.8},"tunnel":null,"#,
            r#""underlay":{"count":60,"p50":0.39,"p99":0.78}}}"#,
        )
    );
}

#[test]
fn the_class_of_a_tailscale_path_says_how_it_is_carried() {
    let mut report = fixture::report();
    for (class, relay, name, mode) in [
        (
            Class::VxlanTailscale,
            RelayMode::Derp,
            "vxlan-tailscale-derp",
            "derp",
        ),
        (
            Class::VxlanTailscale,
            RelayMode::Unknown,
            "vxlan-tailscale",
            "unknown",
        ),
        (
            Class::TailscaleSubnet,
            RelayMode::PeerRelay,
            "tailscale-subnet-peer-relay",
            "peer_relay",
        ),
        (
            Class::TailscaleSubnet,
            RelayMode::Direct,
            "tailscale-subnet-direct",
            "direct",
        ),
    ] {
        (report.class, report.relay) = (Some(class), relay);
        let line = path_line(&report).unwrap();
        for part in [
            format!(r#""class":"{name}""#),
            format!(r#""tailscale_mode":"{mode}""#),
            format!(r#""observed":"{name}""#),
        ] {
            assert!(line.contains(&part), "{part} in {line}");
        }
    }
}

#[test]
fn what_is_not_known_is_null() {
    let mut report = fixture::report();
    (report.class, report.mtu, report.oversize) = (None, None, None);
    report.points.clear();
    let line = path_line(&report).unwrap();
    for part in [
        r#""class":null,"present":true,"encap":null,"depth":null"#,
        r#""tailscale_mode":null"#,
        r#""observed":null,"mtu":null"#,
        r#""oversize":null"#,
        r#""rtt_ms":{"pod":null,"bridge":null,"overlay":null,"tunnel":null,"underlay":null}"#,
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    report.class = Some(Class::Unknown);
    let line = path_line(&report).unwrap();
    assert!(
        line.contains(r#""class":"unknown","present":true,"encap":null,"depth":null"#),
        "{line}"
    );
}

#[test]
fn a_finding_is_the_object_of_the_bundle_document() {
    assert_eq!(
        finding_line(&fixture::finding()).unwrap(),
        concat!(
            r#"{"type":"finding","cause":"double_encapsulation","subject":{"nodes":["n1","n2"]},"#,
            r#""confidence":0.9,"evidence":[{"id":"stack_observed","#,
            r#""text":"12 packets had the stack wireguard>vxlan"}],"#,
            r#""fix":{"id":"flannel-iface-lan","#,
            r#""text":"set `flannel-iface: eth0` in /etc/rancher/k3s/config.yaml","#,
            r#""side_effects":["LAN traffic is no longer encrypted"]}}"#,
        )
    );
}

#[test]
fn the_ledger_groups_reasons() {
    let ledger = Ledger::from([
        ("frames".to_owned(), 70),
        ("parse_rejected.too_short".to_owned(), 2),
        ("parse_rejected.bad_length".to_owned(), 0),
        ("unmatched".to_owned(), 1),
    ]);
    assert_eq!(
        ledger_line(&ledger).unwrap(),
        r#"{"type":"ledger","frames":70,"parse_rejected":{"bad_length":0,"too_short":2},"unmatched":1}"#
    );
}

#[test]
fn a_span_keeps_its_ids_and_times() {
    let trip = fixture::round_trip(Side::Destination, &[Point::Port]);
    let interfaces = fixture::interfaces();
    let context = Context {
        node: "n2",
        path: None,
        finding: None,
        interfaces: &interfaces,
        other_end: OtherEnd::OtherNode,
        clock: ClockOffset::new(1_700_000_000_000_000_000, 0),
    };
    let line = span_line(&spans(&trip, &context)[0]).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let trace_id = u128::from_be_bytes(trip.identity.trace_id());
    let parent = u64::from_be_bytes(trip.identity.span_id(0));
    assert_eq!(value["trace_id"], format!("{trace_id:032x}"));
    assert_eq!(value["parent_span_id"], format!("{parent:016x}"));
    assert_eq!(value["kind"], "server");
    assert_eq!(value["start_time_unix_nano"], "1700000000001000000");
    assert_eq!(value["duration_ms"], 0.5);
    assert_eq!(value["attributes"]["source.port"], 40_000);
    assert_eq!(value["attributes"]["netpath.point"], "pod");
}

#[test]
fn a_name_cannot_steer_the_terminal_or_open_a_tag_and_comes_back_unchanged() {
    let mut report = fixture::report();
    let name = "a\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\n<b>";
    report.source.pod = Some(name.to_owned());
    let line = path_line(&report).unwrap();
    assert!(
        !line.chars().any(super::super::table::is_unprintable),
        "{line:?}"
    );
    assert!(!line.contains('<'), "{line}");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["source"]["pod"], name);
}

/// Names of all fields that are no objects; names of points are `<point>`.
fn names(prefix: &str, value: &serde_json::Value, into: &mut Vec<String>) {
    let is_by_point = ["points.", "rtt_ms."].contains(&prefix);
    let Some(object) = value.as_object() else {
        into.push(prefix.trim_end_matches('.').to_owned());
        return;
    };
    for (name, value) in object {
        let name = if is_by_point { "<point>" } else { name };
        names(&format!("{prefix}{name}."), value, into);
    }
}

#[test]
fn the_table_names_every_field_of_a_path_and_no_other() {
    let line = path_line(&fixture::report()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut written = Vec::new();
    names("", &value, &mut written);
    // A point without round trips is null.
    written.retain(|name| name != "rtt_ms.<point>");
    written.sort();
    written.dedup();
    let mut documented: Vec<_> = path_fields().iter().map(|row| row.name).collect();
    documented.sort_unstable();
    assert_eq!(written, documented);
}
