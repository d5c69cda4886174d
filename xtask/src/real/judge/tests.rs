//! What counts as the same: paths, findings, cut packets.

use std::net::Ipv4Addr;

use super::*;
use crate::real::scenario::Outcome;

#[test]
fn class_stack_and_cut_layer_have_to_agree() {
    let path = r#"{"type":"path","source":{"address":"10.42.1.2"},"destination":{"address":"10.42.2.2"},
        "class":"vxlan-lan","encap":"vxlan","packets":9,"fragments":{"inner":0,"vxlan":4}}"#;
    let reports = said(path);
    let expected = expected("vxlan-lan", Some(Cut::Vxlan));
    assert_eq!(
        super::path("n1", &reports, &expected).verdict,
        Verdict::Right
    );
    for wrong in [
        Expected {
            cut: None,
            ..expected.clone()
        },
        Expected {
            observed: Some("vxlan-vmnet"),
            ..expected.clone()
        },
        Expected {
            encap: "none",
            ..expected.clone()
        },
        Expected {
            observed: None,
            ..expected.clone()
        },
    ] {
        assert_eq!(super::path("n1", &reports, &wrong).verdict, Verdict::Wrong);
    }
}

#[test]
fn a_proxy_has_to_be_said_and_nothing_else_to_be_called_one() {
    let given = |proxy: &str| {
        said(&format!(
            r#"{{"type":"path","source":{{"address":"10.42.1.2"}},"destination":{{"address":"10.42.2.2"}},
            "class":"vxlan-lan","encap":"vxlan","proxy":{proxy},"packets":9}}"#
        ))
    };
    let ordinary = expected("vxlan-lan", None);
    let proxy = ordinary.clone().as_proxy();
    let verdict = |given: &Reports, expected| super::path("n1", given, expected).verdict;
    assert_eq!(verdict(&given("true"), &proxy), Verdict::Right);
    assert_eq!(verdict(&given("false"), &proxy), Verdict::Wrong);
    assert_eq!(verdict(&given("true"), &ordinary), Verdict::Wrong);
    assert_eq!(verdict(&given("null"), &ordinary), Verdict::Right);
}

#[test]
fn a_path_without_packets_was_not_given() {
    let path = r#"{"type":"path","source":{"address":"10.42.1.2"},"destination":{"address":"10.42.2.2"},
        "class":"vxlan-lan","encap":"vxlan","packets":0}"#;
    let judged = super::path("n1", &said(path), &expected("vxlan-lan", None));
    assert_eq!(
        (judged.given.as_str(), judged.verdict),
        ("-", Verdict::Wrong)
    );
}

#[test]
fn what_leaves_the_cluster_has_no_addresses() {
    let path = r#"{"type":"path","source":{"address":null},"destination":{"address":null},
        "class":"external","encap":"none","packets":9}"#;
    let expected = Expected {
        encap: "none",
        ..expected("external", None)
    };
    assert_eq!(
        super::path("n1", &said(path), &expected).verdict,
        Verdict::Right
    );
    assert_eq!(
        super::path("n1", &Reports::default(), &expected).verdict,
        Verdict::Wrong
    );
}

#[test]
fn a_cause_that_nothing_looks_for_is_open_and_a_false_alarm_is_wrong() {
    let found = r#"{"type":"finding","cause":"relay_detour","fix":{"id":"x"}}"#;
    let finding = |cause, beside| Finding {
        cause,
        fix: "x",
        by: &[],
        beside,
    };
    let verdict = |expected| findings("n1", &said(found), expected).verdict;
    assert_eq!(verdict(Some(finding("relay_detour", &[]))), Verdict::Right);
    assert_eq!(
        verdict(Some(finding("stale_fdb", &[("relay_detour", "x")]))),
        Verdict::Open
    );
    assert_eq!(verdict(Some(finding("stale_fdb", &[]))), Verdict::Wrong);
    assert_eq!(
        verdict(Some(finding("double_encapsulation", &[]))),
        Verdict::Wrong
    );
    assert_eq!(verdict(None), Verdict::Wrong);
    let silent = |expected| findings("n1", &Reports::default(), expected).verdict;
    assert_eq!(silent(Some(finding("stale_fdb", &[]))), Verdict::Open);
    assert_eq!(silent(Some(finding("relay_detour", &[]))), Verdict::Wrong);
    assert_eq!(silent(None), Verdict::Right);
}

#[test]
fn round_trips_have_to_be_near_what_the_traffic_measured() {
    let path = r#"{"type":"path","source":{"address":"10.42.1.2"},"destination":{"address":"10.42.2.2"},
        "class":"vxlan-lan","encap":"vxlan","packets":9,"rtt_ms":{"pod":{"count":9,"p50":160.0,"p99":170.0}}}"#;
    let expected = expected("vxlan-lan", None);
    let verdict = |measured| round_trip("n1", &said(path), &expected, measured).verdict;
    assert_eq!(verdict(162.0), Verdict::Right);
    assert_eq!(verdict(1.0), Verdict::Wrong);
    assert_eq!(verdict(210.0), Verdict::Wrong);
    let untimed = round_trip("n1", &Reports::default(), &expected, 1.0);
    assert_eq!(untimed.verdict, Verdict::Wrong);
}

#[test]
fn cut_packets_are_those_that_the_nodes_own_pods_sent() {
    let line = |source: &str, cut: u64| {
        format!(
            r#"{{"type":"path","source":{{"address":"{source}"}},"destination":{{"address":"10.42.9.9"}},
            "class":"c","packets":1,"fragments":{{"inner":0,"vxlan":{cut}}}}}"#
        )
    };
    let mut reports = Reports::default();
    reports.take(&line("10.42.1.2", 40));
    reports.take(&line("10.42.2.2", 9));
    let verdict = |counted| {
        let pods = ["10.42.1.2".to_owned()];
        cut("n1", &reports, &pods, Cut::Vxlan, counted).verdict
    };
    assert_eq!(verdict(41), Verdict::Right);
    assert_eq!(verdict(49), Verdict::Wrong);
}

fn said(line: &str) -> Reports {
    let mut reports = Reports::default();
    reports.take(line);
    reports
}

fn expected(class: &'static str, cut: Option<Cut>) -> Expected {
    Expected {
        from: "n1-a".into(),
        node: "n1".into(),
        to: "n2-a".into(),
        source: Ipv4Addr::new(10, 42, 1, 2),
        target: Ipv4Addr::new(10, 42, 2, 2),
        tunnel: None,
        via: None,
        intended: class,
        configured: class,
        observed: Some(class),
        encap: "vxlan",
        outcome: Outcome::Reply,
        cut,
        is_proxy: false,
    }
}
