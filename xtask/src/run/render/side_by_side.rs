//! Two labs in two columns: the same pair of pods, carried in two ways. Pure.

use super::grid::{Align, grid, wrap};
use super::{LabOutcome, WIDTH, quantiles, title};
use crate::run::number::{bits_per_second, grouped};
use crate::run::outcome::{PairOutcome, PodEnd};

/// A row: its name and how its value is written.
type Row = (&'static str, fn(&LabOutcome, &PairOutcome) -> String);

const ROWS: [Row; 22] = [
    ("from pod", |_, pair| end(&pair.from)),
    ("to pod", |_, pair| end(&pair.to)),
    ("class", |_, pair| known(pair.class.as_ref())),
    ("stack, outer first", |_, pair| known(pair.encap.as_ref())),
    ("MTU, narrowest device", |_, pair| mtu(pair)),
    ("", |_, _| String::new()),
    ("round trip in ms, median / p99", |_, _| String::new()),
    ("  at the pod", |_, pair| quantiles(pair.rtt_ms.pod)),
    ("  at the bridge, cni0", |_, pair| {
        quantiles(pair.rtt_ms.bridge)
    }),
    ("  at the overlay, flannel.1", |_, pair| {
        quantiles(pair.rtt_ms.overlay)
    }),
    ("  at the tunnel, tailscale0", |_, pair| {
        quantiles(pair.rtt_ms.tunnel)
    }),
    ("  at the wire", |_, pair| quantiles(pair.rtt_ms.underlay)),
    ("  as TCP itself says", |_, pair| {
        quantiles(Some(pair.tcp_info_rtt_ms))
    }),
    ("  ping", |_, pair| quantiles(Some(pair.ping_rtt_ms))),
    ("  UDP echo", |_, pair| {
        quantiles(Some(pair.udp_echo_rtt_ms))
    }),
    ("", |_, _| String::new()),
    ("TCP requests per second", |_, pair| {
        format!("{:.0}", pair.requests_per_second)
    }),
    ("TCP transfer", |_, pair| {
        bits_per_second(pair.bits_per_second)
    }),
    ("packets there", |_, pair| grouped(pair.packets)),
    ("pings and datagrams lost", |_, pair| lost(pair)),
    ("fragments", |_, pair| fragments(pair)),
    ("finding", finding),
];

/// The table, with what each lab is above it.
pub(super) fn render(labs: [&LabOutcome; 2]) -> String {
    let mut text = String::new();
    for lab in labs {
        let name = lab.scenario.to_uppercase();
        text.push_str(&wrap(title(lab), &format!("{name}  "), "    ", WIDTH));
    }
    text.push('\n');
    let pairs = labs.map(|lab| lab.pairs.first());
    let [Some(one), Some(other)] = pairs else {
        return text;
    };
    let mut rows = vec![[
        String::new(),
        labs[0].scenario.to_uppercase(),
        labs[1].scenario.to_uppercase(),
    ]];
    for (name, value) in ROWS {
        rows.push([name.to_owned(), value(labs[0], one), value(labs[1], other)]);
    }
    text.push_str(&grid([Align::Left; 3], &rows));
    text.push_str("(-: the packet does not pass there, or is encrypted there)\n");
    text
}

fn end(end: &PodEnd) -> String {
    format!("{} {}", end.pod, end.address)
}

fn known(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "not known".to_owned())
}

fn mtu(pair: &PairOutcome) -> String {
    pair.mtu.as_ref().map_or_else(
        || "not known".to_owned(),
        |mtu| format!("{} bytes, {}", mtu.effective, mtu.bottleneck),
    )
}

fn lost(pair: &PairOutcome) -> String {
    let lost = pair.ping_lost + pair.udp_lost;
    format!(
        "{} of {}",
        grouped(lost),
        grouped(pair.ping_sent + pair.udp_sent)
    )
}

fn fragments(pair: &PairOutcome) -> String {
    let cut = pair.fragments;
    if cut.inner + cut.vxlan + cut.wireguard.unwrap_or(0) == 0 {
        return "none".to_owned();
    }
    let layers = [
        ("inner", cut.inner),
        ("VXLAN", cut.vxlan),
        ("WireGuard", cut.wireguard.unwrap_or(0)),
    ];
    let layers = layers.into_iter().filter(|(_, count)| *count > 0);
    let layers: Vec<String> = layers
        .map(|(layer, count)| format!("{} {layer}", grouped(count)))
        .collect();
    layers.join(", ")
}

fn finding(lab: &LabOutcome, pair: &PairOutcome) -> String {
    let found = pair
        .findings
        .first()
        .and_then(|position| lab.findings.get(*position));
    found.map_or_else(
        || "none: healthy".to_owned(),
        |finding| finding.cause.clone(),
    )
}
