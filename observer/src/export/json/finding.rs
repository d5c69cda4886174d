//! The object of a finding.

use serde::Serialize;

use crate::diagnosis::Finding;

#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    cause: &'static str,
    subject: Subject<'a>,
    confidence: f64,
    evidence: Vec<Evidence<'a>>,
    fix: Fix<'a>,
}

#[derive(Serialize)]
struct Subject<'a> {
    nodes: &'a [String],
}

#[derive(Serialize)]
struct Evidence<'a> {
    id: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Fix<'a> {
    id: &'static str,
    text: &'a str,
    side_effects: &'a [String],
}

impl<'a> Line<'a> {
    pub(super) fn of(finding: &'a Finding) -> Self {
        let evidence = finding.evidence.iter();
        Self {
            r#type: "finding",
            cause: finding.cause.id(),
            subject: Subject {
                nodes: &finding.subject.nodes,
            },
            confidence: finding.confidence,
            evidence: evidence
                .map(|fact| Evidence {
                    id: fact.id,
                    text: &fact.text,
                })
                .collect(),
            fix: Fix {
                id: finding.fix.id,
                text: &finding.fix.text,
                side_effects: &finding.fix.side_effects,
            },
        }
    }
}
