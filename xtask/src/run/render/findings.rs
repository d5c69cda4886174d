//! What was found in a lab: cause, evidence, the one fix and what else changes by it. Pure.

use super::grid::wrap;
use super::{LabOutcome, WIDTH};

/// Every finding of a lab, with an empty line before each.
pub(super) fn render(lab: &LabOutcome) -> String {
    let mut text = String::new();
    for (position, finding) in lab.findings.iter().enumerate() {
        let head = format!(
            "F{} in {}: {} between {}, confidence {:.2}",
            position + 1,
            lab.scenario.to_uppercase(),
            finding.cause,
            finding.subject.nodes.join(" and "),
            finding.confidence,
        );
        text.push('\n');
        text.push_str(&wrap(&head, "", "    ", WIDTH));
        for evidence in &finding.evidence {
            text.push_str(&wrap(&evidence.text, "    seen  ", "          ", WIDTH));
        }
        let fix = format!("{}: {}", finding.fix.id, finding.fix.text);
        text.push_str(&wrap(&fix, "    fix   ", "          ", WIDTH));
        for effect in &finding.fix.side_effects {
            text.push_str(&wrap(effect, "    but   ", "          ", WIDTH));
        }
    }
    text
}
