//! The measured table in the README and all rows in `docs/reference/cost.md`, written from one run. It
//! never invents a row: what the README shows must have been measured.

use std::fmt::Display;
use std::fs;

use super::BenchError;
use super::record::Record;
use super::row::{Better, Row, number};
use crate::workspace_root;

/// The page that shows some rows, between these lines.
const README: &str = "README.md";
const BEGIN: &str = "<!-- written by `cargo xtask bench --write` -->";
const END: &str = "<!-- end of what was written -->";
/// The page that shows all.
const COST: &str = "docs/reference/cost.md";

/// Rows of the README in its order, and what they are of.
const SHOWN: [(&str, &str); 67] = [
    (
        "hot_look_up",
        "one 40-byte-key look-up with two atomic additions, the yardstick",
    ),
    (
        "hot_tcp_plain_ratio",
        "a TCP packet in the hot loop, against the yardstick",
    ),
    ("hot_tcp_vxlan_ratio", "the same nested in VXLAN"),
    ("hot_tcp_plain", "a TCP packet with timestamps"),
    ("hot_tcp_vxlan", "the same nested in VXLAN"),
    ("hot_tcp_ipv6", "a TCP packet by IPv6"),
    ("hot_tcp_syn", "a SYN with all of Linux's options"),
    ("hot_tcp_sack", "an acknowledgement of blocks behind a gap"),
    ("hot_tcp_ipv4_options", "a TCP packet behind IPv4 options"),
    (
        "hot_tcp_ipv6_extensions",
        "a TCP packet behind two IPv6 extension headers",
    ),
    ("hot_tcp_vlan", "a TCP packet behind a VLAN tag"),
    ("hot_tcp_merged", "a merged buffer of two segments"),
    (
        "hot_tcp_vxlan_ipv6",
        "a TCP packet by IPv6, nested in VXLAN",
    ),
    ("hot_tcp_vxlan_outer_ipv6", "TCP nested in VXLAN by IPv6"),
    ("hot_tcp_vxlan_both_ipv6", "both by IPv6"),
    ("hot_tcp_vxlan_vlan", "VXLAN behind a VLAN tag"),
    ("hot_tcp_vxlan_vxlan", "VXLAN inside VXLAN"),
    (
        "hot_tcp_vxlan_merged",
        "a merged buffer of two segments, nested in VXLAN",
    ),
    ("hot_udp_plain", "a UDP datagram"),
    ("hot_udp_vxlan", "the same nested in VXLAN"),
    ("hot_dns_query", "a DNS query"),
    ("hot_dns_answer", "its answer"),
    ("hot_echo_request", "a ping"),
    ("hot_echo_reply", "its reply"),
    (
        "hot_icmp_error",
        "an ICMP error, counted on the flow that it quotes",
    ),
    ("hot_icmp_error_vxlan", "the same nested in VXLAN"),
    (
        "hot_fragment_first",
        "a first fragment, which is remembered",
    ),
    (
        "hot_fragment_later",
        "a later fragment, joined to its first one",
    ),
    (
        "hot_vxlan_fragment_first",
        "a first fragment of VXLAN around a TCP packet",
    ),
    ("hot_vxlan_fragment_later", "a later fragment of VXLAN"),
    ("hot_tunnel_vxlan", "TCP in VXLAN out of the tunnel"),
    (
        "hot_tunnel_vxlan_merged",
        "a merged buffer of two VXLAN datagrams there",
    ),
    ("hot_host_tcp", "TCP between nodes, no pod's"),
    ("hot_wireguard", "WireGuard between nodes"),
    ("hot_peer_relay", "WireGuard through a peer relay (Geneve)"),
    ("hot_disco", "a discovery message of tailscaled"),
    ("hot_stun", "a STUN request"),
    ("hot_single_new_tsval", "a new timestamp: the clock is read"),
    (
        "hot_tunnel_copied_ratio",
        "headers outside the linear part, against the same inside",
    ),
    (
        "hot_flows_60000",
        "60,000 flows of 240 pairs in scattered order",
    ),
    (
        "hot_flows_60000_ratio",
        "the same against a look-up in as many flows",
    ),
    (
        "storm_ratio",
        "every packet a new flow, against an insert into a full LRU",
    ),
    (
        "storm_entered_ratio",
        "the same without budget: each gets an entry",
    ),
    (
        "ping_pong_empty",
        "TCP ping-pong with an empty program on both directions of one device",
    ),
    ("ping_pong_look_up", "ping-pong with the bare look-up"),
    ("ping_pong_underlay", "ping-pong with ours at the underlay"),
    ("ping_pong_bridge", "ping-pong with ours at the bridge"),
    ("udp_empty", "UDP flood, 64 bytes, with an empty program"),
    ("udp_underlay", "UDP flood with ours at the underlay"),
    ("udp_bridge", "UDP flood with ours at the bridge"),
    ("bulk_none", "bulk TCP over VXLAN without programs"),
    ("bulk_empty", "bulk TCP with an empty program"),
    ("bulk_underlay", "bulk TCP with ours at the underlay"),
    ("bulk_bridge", "bulk TCP with ours at the bridge"),
    (
        "bulk_agent_both",
        "bulk TCP with whole agents in both nodes",
    ),
    (
        "first_classed_path",
        "agent: from start to the first classed path",
    ),
    ("agent_idle_cpu", "agent without traffic: processor"),
    ("agent_idle_wakeups", "agent without traffic: wake-ups"),
    ("agent_rss", "agent under ping-pong: resident memory"),
    ("agent_cpu", "the same: processor"),
    ("agent_wakeups", "the same: wake-ups"),
    (
        "agent_map_memory",
        "the same: its maps in the kernel, each below",
    ),
    (
        "agent_program_memory",
        "the same: its programs in the kernel",
    ),
    (
        "load_rss",
        "agent with 10,000 busy flows, exporter on: resident memory",
    ),
    ("load_cpu", "the same: processor"),
    ("load_wakeups", "the same: wake-ups"),
    (
        "read_ratio",
        "reading 50,000 flows, against a walk over their keys",
    ),
];

/// Beginning of the rows of single maps.
const MAP: (&str, &str) = ("map_", "agent: one map in the kernel");

/// Beginnings of rows that are against another tool's program, where there is one.
const AGAINST: [(&str, &str); 8] = [
    ("hot_tcp_plain_by_", "both on a TCP packet in the hot loop"),
    ("hot_nested_by_", "ours on a TCP packet nested in VXLAN"),
    ("hot_tcp_vxlan_by_", "both on a TCP packet nested in VXLAN"),
    ("hot_flows_60000_by_", "60,000 flows in scattered order"),
    ("storm_packet_by_", "every packet a new flow"),
    (
        "exchange_underlay_by_",
        "time added to a TCP exchange at the underlay",
    ),
    (
        "exchange_bridge_by_",
        "time added to a TCP exchange at the bridge",
    ),
    (
        "datagram_underlay_by_",
        "time added to a UDP datagram at the underlay",
    ),
];

/// Writes both pages.
pub(super) fn write(record: &Record) -> Result<(), BenchError> {
    let root = workspace_root();
    let old = fs::read_to_string(root.join(README)).map_err(|cause| page(README, &cause))?;
    let new = replaced(&old, &shown(record)?).map_err(|reason| page(README, &reason))?;
    for (name, text) in [(README, new), (COST, everything(record))] {
        fs::write(root.join(name), text).map_err(|cause| page(name, &cause))?;
    }
    Ok(())
}

fn page(page: &'static str, reason: &dyn Display) -> BenchError {
    BenchError::Page {
        page,
        reason: reason.to_string(),
    }
}

/// The README with another text between its two lines.
fn replaced(old: &str, text: &str) -> Result<String, &'static str> {
    let missing = "its two lines that begin and end the table are missing";
    let (before, rest) = old.split_once(BEGIN).ok_or(missing)?;
    let (_, after) = rest.split_once(END).ok_or(missing)?;
    Ok(format!("{before}{BEGIN}\n{text}{END}{after}"))
}

/// The README's table.
fn shown(record: &Record) -> Result<String, BenchError> {
    let mut text = head(record);
    text.push_str("| row | measured | median | 95 % | bar | |\n|---|---|---|---|---|---|\n");
    for (name, what) in SHOWN {
        let found = record.rows.iter().find(|row| row.name == name);
        let row = found.ok_or_else(|| {
            page(
                README,
                &format!("row `{name}` was not measured; run all parts"),
            )
        })?;
        text.push_str(&line(row, what));
    }
    let (start, what) = MAP;
    for row in record.rows.iter().filter(|row| row.name.starts_with(start)) {
        text.push_str(&line(row, what));
    }
    for (start, what) in AGAINST {
        for row in record.rows.iter().filter(|row| row.name.starts_with(start)) {
            text.push_str(&line(row, &format!("{what}, against {}", row.against)));
        }
    }
    Ok(text)
}

fn line(row: &Row, what: &str) -> String {
    let unit = if row.unit == "1" {
        ""
    } else {
        row.unit.as_str()
    };
    let value = format!("{} {unit}", number(row.value));
    let interval = match (row.low, row.high) {
        (Some(_), Some(_)) => format!("{} to {}", number(row.low), number(row.high)),
        _ => String::new(),
    };
    let (name, verdict) = (&row.name, row.verdict);
    let bar = bar(row);
    format!(
        "| `{name}` | {what} | {} | {interval} | {bar} | {verdict} |\n",
        value.trim()
    )
}

fn bar(row: &Row) -> String {
    let side = match row.better {
        Better::Lower => "at most",
        Better::Higher => "at least",
    };
    row.bar
        .map_or_else(String::new, |bar| format!("{side} {bar}"))
}

/// What was typed, and where.
fn head(record: &Record) -> String {
    format!(
        "```\n$ {}\n{}\n```\n\n",
        record.head.command, record.head.machine
    )
}

/// The page with all rows.
fn everything(record: &Record) -> String {
    let mut text = format!(
        "# What it costs: all rows\n\nWritten by `cargo xtask bench --write`; not to be edited. \
         Medians with their two-sided 95 % intervals.\n\n{}\
         | row | median | 95 % from | to | least | greatest | runs | bar | | unit, against |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        head(record)
    );
    for row in &record.rows {
        let numbers = [row.value, row.low, row.high, row.min, row.max];
        let numbers = numbers.map(number).join(" | ");
        let (runs, verdict) = (row.runs, row.verdict);
        let (bar, explanation) = (bar(row), row.explanation());
        let row = format!(
            "| `{}` | {numbers} | {runs} | {bar} | {verdict} | {explanation} |\n",
            row.name
        );
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_rows_that_the_benchmark_writes() {
        let readme = fs::read_to_string(workspace_root().join(README)).expect("README");
        let (_, rest) = readme.split_once(BEGIN).expect("the table begins");
        let (table, _) = rest.split_once(END).expect("the table ends");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        let names: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        let (shown, others) = names.split_at_checked(SHOWN.len()).expect("all rows");
        assert_eq!(shown, SHOWN.map(|(name, _)| name));
        let begins = |name: &str, (start, _): &(&str, &str)| name.starts_with(start);
        let maps = others.iter().take_while(|name| begins(name, &MAP)).count();
        let against = others.iter().skip(maps);
        let mut strangers = against.filter(|name| !AGAINST.iter().any(|one| begins(name, one)));
        assert!(maps > 1, "each map has a row: {others:?}");
        assert_eq!(strangers.next(), None, "{others:?}");
    }

    #[test]
    fn a_run_without_a_shown_row_is_refused() {
        let mut record = Record::begun("typed".to_owned(), "machine".to_owned());
        for (name, _) in SHOWN {
            record.rows.push(Row::of(name, "ns", "a", &[1.0]));
        }
        let by = Row::of("hot_tcp_plain_by_other", "1", "p of o.o", &[0.5]);
        record
            .rows
            .push(by.with_bar(Better::Lower, 0.6, 0.6, &[0.5]));
        let text = shown(&record).expect("all rows are there");
        let last = text.lines().last().expect("a row");
        assert!(last.starts_with("| `hot_tcp_plain_by_other` | "), "{last}");
        assert!(last.contains(" | at most 0.6 | unsure |"), "{last}");
        let missing = record.rows.remove(3);
        let refused = shown(&record).expect_err("a row is missing").to_string();
        assert!(refused.contains(&missing.name), "{refused}");
    }

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        let old = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&old, "new\n").expect("both lines");
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert!(replaced("a", "new").is_err());
    }
}
