//! What went through the Services of one lab, one row per pod that answered. Pure.

use super::grid::{Align, grid, wrap};
use super::{LabOutcome, WIDTH};
use crate::run::number::grouped;
use crate::run::outcome::{BackendOutcome, PodEnd};

const HEADER: [&str; 7] = [
    "from", "Service", "to", "class", "requests", "packets", "by TCP",
];
const LEGEND: &str = "(requests: as the pod's server counts them; packets: sent to that pod, as the \
                      observer counts them at the sender; by TCP: as the sender's own sockets do)";

/// The table with an empty line and a title above it and its sentence below; nothing where no
/// Service was tried.
pub(super) fn render(lab: &LabOutcome) -> String {
    let Some(services) = &lab.services else {
        return String::new();
    };
    let name = format!("{}  ", lab.scenario.to_uppercase());
    let title = "one pod asks Services, whose addresses its node turns into those of other pods";
    let mut text = format!("\n{}\n", wrap(title, &name, "     ", WIDTH));
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(services.backends.iter().map(row));
    let [left, right] = [Align::Left, Align::Right];
    text.push_str(&grid([left, left, left, left, right, right, right], &rows));
    text.push_str(&wrap(LEGEND, "", "", WIDTH));
    text.push('\n');
    text.push_str(&wrap(&services.conclusion, "", "", WIDTH));
    text
}

fn row(backend: &BackendOutcome) -> [String; 7] {
    let class = backend.class.as_deref().unwrap_or("not known");
    [
        end(&backend.from),
        backend.service.clone(),
        end(&backend.to),
        class.to_owned(),
        grouped(backend.requests_at_server),
        grouped(backend.packets),
        grouped(backend.tcp_segments),
    ]
}

fn end(end: &PodEnd) -> String {
    format!("{} {}", end.pod, end.address)
}
