//! The table as text, letter by letter.

use super::*;
use crate::export::fixture;
use crate::path::{Encapsulation, Layer};

fn slow() -> PathReport {
    let mut report = fixture::report();
    report.class = Some(Class::VxlanTailscale);
    report.encapsulation = Encapsulation(vec![Layer::WireGuard, Layer::Vxlan]);
    report.packets = 1_234_567;
    report.destination.pod =
        Some("a-rather-long-namespace/a-rather-long-workload-5d4f-x2k4p".into());
    report
}

fn show(table: &Table<'_>) -> String {
    let text = render(table);
    for line in text.lines() {
        assert!(
            line.chars().count() <= WIDTH,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    text
}

#[test]
fn two_paths_stand_side_by_side_with_the_finding_below() {
    let reports = [fixture::report(), slow()];
    let table = Table {
        reports: &reports,
        findings: &[fixture::finding()],
        earlier: None,
    };
    let expected = "\
source     destination               class           stack           packets bytes pod ms bridge overlay tunnel  wire
shop/web-0 10.42.2.7                 vxlan-lan       vxlan               120 96.0k  0.421      -   0.400      - 0.390
shop/web-0 a-rather-lon…d-5d4f-x2k4p vxlan-tailscale wireguard>vxlan   1.23M 96.0k  0.421      -   0.400      - 0.390 F1

F1 double_encapsulation (n1, n2), confidence 0.90
   - 12 packets had the stack wireguard>vxlan
   fix flannel-iface-lan: set `flannel-iface: eth0` in /etc/rancher/k3s/config.yaml
   side effect: LAN traffic is no longer encrypted
";
    assert_eq!(show(&table), expected);
}

#[test]
fn with_an_earlier_sweep_the_volume_is_a_rate() {
    let (before, now) = (
        fixture::report(),
        PathReport {
            bytes: 1_346_000,
            ..fixture::report()
        },
    );
    let earlier = Earlier {
        reports: &[before],
        elapsed: Duration::from_secs(2),
    };
    let table = Table {
        reports: &[now],
        findings: &[],
        earlier: Some(earlier),
    };
    let text = show(&table);
    assert!(text.contains("bit/s"), "{text}");
    assert!(text.contains(" 5.00M "), "1,250,000 bytes in 2 s: {text}");
}

#[test]
fn nothing_seen_and_ends_without_names_are_said_so() {
    let table = Table {
        reports: &[],
        findings: &[],
        earlier: None,
    };
    assert_eq!(show(&table), "no pod traffic seen yet\n");
    let mut report = fixture::report();
    report.class = Some(Class::External);
    for end in [&mut report.source, &mut report.destination] {
        (end.pod, end.address, end.node) = (None, None, None);
    }
    let table = Table {
        reports: &[report],
        findings: &[],
        earlier: None,
    };
    assert!(
        show(&table).contains("\n(external) (external)  external"),
        "{}",
        show(&table)
    );
}

#[test]
fn names_and_texts_cannot_steer_the_terminal() {
    let (mut report, mut finding) = (slow(), fixture::finding());
    report.source.pod = Some("x/\u{1b}[31m".to_owned());
    finding.evidence[0].text = "seen \u{9b}2J on \u{1b}]0;t\u{7} ".repeat(20);
    finding.subject.nodes[0] = "n\u{202e}1".to_owned();
    finding.fix.text = "a\tb\u{8}".to_owned();
    let table = Table {
        reports: &[report],
        findings: &[finding],
        earlier: None,
    };
    let text = show(&table);
    let bad: Vec<_> = text
        .chars()
        .filter(|&c| c != '\n' && is_unprintable(c))
        .collect();
    assert_eq!(bad, [], "{text:?}");
    assert!(text.contains("x/\\u{1b}[31m"), "{text}");
}
