//! All ordered pairs of pods of one lab, one row each. Pure.

use std::net::IpAddr;

use super::grid::{Align, grid, wrap};
use super::{LabOutcome, WIDTH, title};
use crate::reports::Quantiles;
use crate::run::number::{bits_per_second, figures, grouped};
use crate::run::outcome::{PairOutcome, PodEnd};

const HEADER: [&str; 11] = [
    "from", "to", "class", "stack", "MTU", "packets", "pod ms", "wire", "ping", "transfer", "",
];

/// The table, with what the lab is above it.
pub(super) fn render(lab: &LabOutcome) -> String {
    let name = format!("{}  ", lab.scenario.to_uppercase());
    let mut text = wrap(title(lab), &name, "    ", WIDTH);
    text.push('\n');
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(lab.pairs.iter().map(row));
    text.push_str(&grid(alignment(), &rows));
    text.push_str("(pod, wire, ping: median round trip in ms; -: does not pass or is encrypted)\n");
    text
}

fn alignment() -> [Align; 11] {
    let mut alignment = [Align::Right; 11];
    for left in [0, 1, 2, 3, 10] {
        alignment[left] = Align::Left;
    }
    alignment
}

fn row(pair: &PairOutcome) -> [String; 11] {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let marks = pair
        .findings
        .iter()
        .map(|position| format!("F{}", position + 1));
    [
        end(&pair.from),
        end(&pair.to),
        text(&pair.class),
        text(&pair.encap),
        pair.mtu
            .as_ref()
            .map_or_else(|| "-".to_owned(), |mtu| mtu.effective.to_string()),
        grouped(pair.packets),
        median(pair.rtt_ms.pod),
        median(pair.rtt_ms.underlay),
        median(Some(pair.ping_rtt_ms)),
        bits_per_second(pair.bits_per_second),
        marks.collect::<Vec<_>>().join(" "),
    ]
}

/// The pod, what its node is where nodes differ, and whether it uses IPv6.
fn end(end: &PodEnd) -> String {
    let pod = match end.role {
        "" | "member" => end.pod.clone(),
        role => format!("{} {role}", end.pod),
    };
    match end.address.parse() {
        Ok(IpAddr::V6(_)) => format!("{pod} ipv6"),
        Ok(IpAddr::V4(_)) | Err(_) => pod,
    }
}

fn median(found: Option<Quantiles>) -> String {
    found
        .filter(|found| found.count > 0)
        .map_or_else(|| "-".to_owned(), |found| figures(found.p50))
}
