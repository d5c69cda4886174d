//! What is kept of an agent's lines, and what is passed over.

use super::*;

const PATH: &str = r#"{"type":"path","source":{"node":"s1-n1","address":"10.42.1.5","pod":null},
 "destination":{"node":null,"address":"10.42.2.7","pod":null},"class":"vxlan-tailscale",
 "encap":"wireguard>vxlan","depth":2,"mtu":{"effective":1230,"bottleneck":"flannel.1"},
 "packets":120,"bytes":9600,"points":{"pod":{"packets":120,"bytes":9600}},"fragments":{"inner":0,"vxlan":1,"wireguard":null},"oversize":null,
 "rtt_ms":{"pod":{"count":9,"p50":0.4,"p99":0.9},"bridge":null,"tunnel":null}}"#;
const FINDING: &str = r#"{"type":"finding","cause":"double_encapsulation",
 "subject":{"nodes":["s1-n1","100.64.0.2"]},"confidence":0.9,
 "evidence":[{"id":"stack_observed","text":"12 packets"}],
 "fix":{"id":"flannel-iface-lan","text":"set it","side_effects":["no encryption"]}}"#;

#[test]
fn a_path_is_kept_with_its_values_and_as_it_came() {
    let reports = taken(&[PATH, r#"{"type":"ledger","frames":7}"#]);
    let path = reports.path("10.42.1.5", "10.42.2.7").expect("the path");
    assert_eq!(path.class.as_deref(), Some("vxlan-tailscale"));
    assert_eq!(path.points["pod"].packets, 120);
    assert_eq!(path.mtu.as_ref().map(|mtu| mtu.effective), Some(1230));
    assert_eq!((path.packets, path.fragments.vxlan), (120, 1));
    assert_eq!(path.rtt_ms.pod.map(|rtt| rtt.p99), Some(0.9));
    assert_eq!(path.rtt_ms.overlay, None, "a field that is not there");
    assert_eq!(path.raw["depth"], 2, "a field that nothing here knows");
    assert_eq!(reports.sweeps(), 1);
    assert_eq!(reports.path("10.42.2.7", "10.42.1.5"), None);
}

#[test]
fn the_latest_object_counts_but_an_idle_sweep_forgets_no_class() {
    let later = PATH.replace("\"packets\":120", "\"packets\":500");
    let idle = PATH.replace("\"vxlan-tailscale\"", "null");
    let reports = taken(&[PATH, &later, &idle]);
    let path = reports.path("10.42.1.5", "10.42.2.7").expect("the path");
    assert_eq!(
        (path.class.as_deref(), path.packets),
        (Some("vxlan-tailscale"), 500)
    );
}

#[test]
fn a_class_that_the_packets_have_left_is_not_the_paths() {
    let left = PATH.replace("\"class\"", "\"present\":false,\"class\"");
    let left = left.replace("vxlan-tailscale", "vxlan-lan");
    let reports = taken(&[PATH, &left]);
    let path = reports.path("10.42.1.5", "10.42.2.7").expect("the path");
    assert_eq!(path.class.as_deref(), Some("vxlan-tailscale"));
}

#[test]
fn a_finding_of_every_sweep_is_one_finding_with_its_last_numbers() {
    let later = FINDING.replace("12 packets", "90 packets");
    let other = FINDING.replace("100.64.0.2", "100.64.0.3");
    let reports = taken(&[FINDING, &other, &later]);
    let texts: Vec<_> = reports
        .findings()
        .iter()
        .map(|found| &found.evidence[0].text)
        .collect();
    assert_eq!(texts, ["90 packets", "12 packets"]);
    assert_eq!(reports.findings()[0].fix.id, "flannel-iface-lan");
}

#[test]
fn what_is_no_report_is_the_agents_own_words_without_colours() {
    let reports = taken(&[
        "\u{1b}[2m2026\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m observing",
        "",
        "{\"type\":\"span\"}",
        "{\"type\":\"path\",\"packets\":\"many\"}",
    ]);
    assert_eq!(reports.words(), "2026  INFO observing");
    assert_eq!(Reports::default().words(), "it said nothing");
    let refused = [
        "error: unexpected argument '--x'",
        "",
        "For more information, try '--help'.",
    ];
    assert_eq!(taken(&refused).words(), refused[0]);
}

fn taken(lines: &[&str]) -> Reports {
    let mut reports = Reports::default();
    for line in lines {
        reports.take(line);
    }
    reports
}
