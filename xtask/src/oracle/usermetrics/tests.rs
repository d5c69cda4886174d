//! The text as tailscaled 1.102.3 writes it, shortened; sums and growth.

use super::*;

const TEXT: &str = r#"# TYPE tailscaled_health_messages gauge
# HELP tailscaled_health_messages Number of health messages broken down by type.
tailscaled_health_messages{type="warning"} 1
tailscaled_home_derp_region_id 900
# TYPE tailscaled_inbound_packets_total counter
tailscaled_inbound_packets_total{path="derp"} 31
tailscaled_inbound_packets_total{path="direct_ipv4"} 7
tailscaled_inbound_packets_total{path="direct_ipv6"} 0

# TYPE tailscaled_outbound_dropped_packets_total counter
tailscaled_outbound_dropped_packets_total{reason="error"} 467
tailscaled_outbound_dropped_packets_total{reason="multicast"} 5
"#;

const DROPPED: &str = "tailscaled_outbound_dropped_packets_total";
const RECEIVED: &str = "tailscaled_inbound_packets_total";

fn metrics(text: &str) -> UserMetrics {
    UserMetrics::parse(text).expect("known form")
}

#[test]
fn values_are_found_by_name_and_labels() {
    let metrics = metrics(TEXT);
    assert_eq!(metrics.sum(DROPPED, &[("reason", "error")]), 467);
    assert_eq!(metrics.sum(RECEIVED, &[("path", "derp")]), 31);
    assert_eq!(metrics.sum(RECEIVED, &[]), 38);
    assert_eq!(metrics.sum("tailscaled_home_derp_region_id", &[]), 900);
    assert_eq!(metrics.sum("tailscaled_home_derp", &[]), 0);
    assert_eq!(
        metrics.sum(RECEIVED, &[("path", "derp"), ("type", "warning")]),
        0
    );
    assert_eq!(metrics.series().len(), 7);
}

#[test]
fn growth_holds_what_moved_and_what_is_new() {
    let later = TEXT.replace("} 467", "} 500") + &format!("{DROPPED}{{reason=\"acl\"}} 3\n");
    let grown = metrics(&later).since(&metrics(TEXT));
    let moved: Vec<_> = grown.series().iter().map(|series| series.value).collect();
    assert_eq!(moved, [33, 3]);
    assert_eq!(grown.sum(DROPPED, &[("reason", "acl")]), 3);
    assert_eq!(grown.sum(RECEIVED, &[]), 0);
}

#[test]
fn restart_shows_as_less_than_nothing() {
    let grown = metrics("tailscaled_x 2\n").since(&metrics("tailscaled_x 9\n"));
    assert_eq!(grown.sum("tailscaled_x", &[]), -7);
}

#[test]
fn escapes_exponents_and_times_are_read() {
    let metrics = metrics("x{a=\"q\\\"},\\\\\\n\", b=\"2\",} 1.5e+06 1763755200000\ny -3\n");
    let labels = [("a", "q\"},\\\n"), ("b", "2")];
    assert_eq!(metrics.sum("x", &labels), 1_500_000);
    assert_eq!(metrics.sum("y", &[]), -3);
}

#[test]
fn other_text_is_refused_with_its_line() {
    let lines = [
        "nothing",
        "x{a=\"1\" 2",
        "x{a} 2",
        "x NaN",
        "x 1.5",
        "x 1 y",
        "x 1 2 3",
        "{a=\"1\"} 2",
        "x 1e300",
    ];
    for line in lines {
        let refused = UserMetrics::parse(&format!("# fine\n{line}\n")).expect_err(line);
        assert_eq!(
            refused.to_string(),
            format!("line 2 is no metric: `{line}`")
        );
    }
}
