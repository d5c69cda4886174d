//! The table for people: a row per ordered pair, and below it what was found and how to fix it.
//! At most 120 columns. It prints nothing, and a name cannot steer the terminal.

use std::time::Duration;

use observer_ebpf::abi::point::Point;

use super::json::{TUNNELS, UNDERLAYS, rtt};
use crate::diagnosis::Finding;
use crate::path::{Class, End, PathReport};

mod grid;
mod number;
mod text;
mod wire;

pub(super) use text::is_unprintable;
pub use wire::wire_lines;

use grid::{Align, Column, grid};
use text::{printable, wrap};

/// Widest line.
const WIDTH: usize = 120;

/// An earlier sweep, to tell throughput from.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// Its reports.
    pub reports: &'a [PathReport],
    /// Time that has passed since.
    pub elapsed: Duration,
}

/// What the table shows.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Rows, in their order.
    pub reports: &'a [PathReport],
    /// Findings, in their order.
    pub findings: &'a [Finding],
    /// With it the bytes column becomes throughput.
    pub earlier: Option<Earlier<'a>>,
}

/// Lines with their ends.
#[must_use]
pub fn render(table: &Table<'_>) -> String {
    let mut text = if table.reports.is_empty() {
        "no pod traffic seen yet\n".to_owned()
    } else {
        let rows = table.reports.iter().map(|report| row(report, table));
        grid(&columns(table), &rows.collect::<Vec<_>>(), WIDTH)
    };
    for (index, finding) in table.findings.iter().enumerate() {
        text.push('\n');
        text.push_str(&describe(index, finding));
    }
    text
}

fn columns(table: &Table<'_>) -> [Column; 12] {
    let volume = if table.earlier.is_some() {
        "bit/s"
    } else {
        "bytes"
    };
    [
        Column::flexible("source"),
        Column::flexible("destination"),
        Column::fixed("class", Align::Left),
        Column::fixed("stack", Align::Left),
        Column::fixed("packets", Align::Right),
        Column::fixed(volume, Align::Right),
        Column::fixed("pod ms", Align::Right),
        Column::fixed("bridge", Align::Right),
        Column::fixed("overlay", Align::Right),
        Column::fixed("tunnel", Align::Right),
        Column::fixed("wire", Align::Right),
        Column::fixed("", Align::Left),
    ]
}

fn row(report: &PathReport, table: &Table<'_>) -> [String; 12] {
    let class = report.class;
    let stack = match class {
        None | Some(Class::Unknown) => "-".to_owned(),
        Some(_) => report.encapsulation.to_string(),
    };
    let volume = match &table.earlier {
        None => number::short(report.bytes),
        Some(earlier) => throughput(report, earlier),
    };
    let median = |points| rtt(report, points).map_or("-".to_owned(), |rtt| number::millis(rtt.p50));
    [
        end(&report.source, class),
        end(&report.destination, class),
        report.class_name().unwrap_or("-").to_owned(),
        stack,
        number::short(report.packets),
        volume,
        median(&[Point::Port]),
        median(&[Point::Bridge]),
        median(&[Point::Overlay]),
        median(TUNNELS),
        median(UNDERLAYS),
        mark(report, table.findings),
    ]
}

fn end(end: &End, class: Option<Class>) -> String {
    let address = || end.address.map(|address| address.to_string());
    let name = end
        .pod
        .clone()
        .or_else(address)
        .or_else(|| end.node.clone());
    printable(&name.unwrap_or_else(|| format!("({})", class.map_or("-", Class::name))))
}

/// `F1` where the first finding below is about this path.
fn mark(report: &PathReport, findings: &[Finding]) -> String {
    let about = |finding: &Finding| super::subject::is_about(finding, report);
    let marks = findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| about(finding));
    let marks: Vec<_> = marks.map(|(index, _)| format!("F{}", index + 1)).collect();
    marks.join(" ")
}

fn throughput(report: &PathReport, earlier: &Earlier<'_>) -> String {
    let before = earlier.reports.iter().find(|before| {
        (
            &before.source.address,
            &before.destination.address,
            before.class,
        ) == (
            &report.source.address,
            &report.destination.address,
            report.class,
        )
    });
    let before = before.map_or(0, |before| before.bytes);
    let bits = u128::from(report.bytes.saturating_sub(before)) * 8_000;
    let rate = bits / earlier.elapsed.as_millis().max(1);
    number::short(u64::try_from(rate).unwrap_or(u64::MAX))
}

fn describe(index: usize, finding: &Finding) -> String {
    let mut text = String::new();
    let title = format!(
        "F{} {} ({}), confidence {:.2}",
        index + 1,
        finding.cause.id(),
        finding.subject.nodes.join(", "),
        finding.confidence
    );
    text.push_str(&wrap(&title, "", "   ", WIDTH));
    for fact in &finding.evidence {
        text.push_str(&wrap(&fact.text, "   - ", "     ", WIDTH));
    }
    let title = format!("   fix {}: ", finding.fix.id);
    text.push_str(&wrap(&finding.fix.text, &title, "     ", WIDTH));
    for effect in &finding.fix.side_effects {
        text.push_str(&wrap(effect, "   side effect: ", "     ", WIDTH));
    }
    text
}

#[cfg(test)]
mod tests;
