//! The outcome as text for a person: two labs side by side, or all pairs of one lab, then what was
//! found and how to fix it, then what went through Services. At most 100 columns. Pure.

mod findings;
mod grid;
mod pairs;
mod services;
mod side_by_side;

use super::number;
use super::outcome::{LabOutcome, Outcome};
use crate::reports::Quantiles;

/// Widest line.
const WIDTH: usize = 100;

/// The whole text.
pub(super) fn render(outcome: &Outcome) -> String {
    let mut text = String::from("\n");
    match outcome.labs.as_slice() {
        [one, other, ..] => text.push_str(&side_by_side::render([one, other])),
        labs => labs
            .iter()
            .for_each(|lab| text.push_str(&pairs::render(lab))),
    }
    for lab in &outcome.labs {
        text.push_str(&findings::render(lab));
    }
    if let Some(comparison) = &outcome.comparison {
        text.push('\n');
        text.push_str(&grid::wrap(&comparison.conclusion, "", "", WIDTH));
    }
    for lab in &outcome.labs {
        text.push_str(&services::render(lab));
    }
    text.push('\n');
    text.push_str(&remarks(outcome));
    text
}

/// What the figures are worth, and where the time went.
fn remarks(outcome: &Outcome) -> String {
    let seconds = &outcome.seconds;
    let first = seconds.first_class.map_or_else(String::new, |first| {
        format!("first class known after {first:.1} s, ")
    });
    let text = format!(
        "A lab of network namespaces on this machine, with WireGuard in user space: stacks, causes \
         and fixes are those of real nodes, milliseconds and rates are not. Everything is removed \
         again ({first}{:.0} s in all).",
        seconds.total
    );
    grid::wrap(&text, "", "", WIDTH)
}

/// What a scenario is, in a few words.
fn title(lab: &LabOutcome) -> &'static str {
    match lab.scenario {
        "s1" => "pods over the Tailscale tunnel, though the nodes share a LAN",
        "h2" => "pods over the virtual machines' own network: healthy",
        "h2c" => "as H2, with Services over several nodes: healthy",
        "h6" => "pods of one node: healthy",
        "s1d" => "pods over the Tailscale tunnel, every node behind a router",
        "s3" => "a node with a new address, which the others do not know",
        "s5" => "pods over a tunnel through a DERP relay",
        "h8" => "pods over a tunnel through a peer relay, on purpose",
        "mixed" => "one node with two kinds of neighbours: on its own network, and far away",
        _ => "",
    }
}

/// `0.412 / 0.980`, or a dash where nothing was seen.
fn quantiles(found: Option<Quantiles>) -> String {
    found.filter(|found| found.count > 0).map_or_else(
        || "-".to_owned(),
        |found| {
            format!(
                "{} / {}",
                number::figures(found.p50),
                number::figures(found.p99)
            )
        },
    )
}

#[cfg(test)]
mod tests;
