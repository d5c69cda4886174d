//! What fuzzing has come to, as text: the outcomes that inputs reach, and a line per target.

use std::fmt::Write as _;

use super::corpus::Outcomes;
use super::keep::Kept;
use super::said::Said;

/// Outcomes in one line.
const COLUMNS: usize = 3;

/// One target.
pub(super) struct Row {
    pub(super) target: &'static str,
    /// Outcomes that its first inputs do not reach.
    pub(super) missing: Vec<String>,
    pub(super) said: Said,
    /// What made it fail.
    pub(super) kept: Option<Kept>,
}

impl Row {
    /// Nothing made it fail, and its first inputs reach everything.
    pub(super) fn is_good(&self) -> bool {
        self.kept.is_none() && self.missing.is_empty()
    }
}

/// What the first inputs of a target reach, and how often.
pub(super) fn outcomes(target: &str, outcomes: &Outcomes) -> String {
    let mut text = format!(
        "{target}: {} outcomes of its first inputs",
        outcomes.reached.len()
    );
    for line in outcomes.reached.chunks(COLUMNS) {
        text.push('\n');
        for (name, number) in line {
            write!(text, "  {name:<32}{number:>7}").unwrap_or_default();
        }
    }
    text
}

/// A line per target, then what is missing and what was kept.
pub(super) fn render(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<10}{:>12}{:>9}{:>8}{:>9}{:>8}{:>9}",
        "target", "executions", "per s", "edges", "of", "corpus", "crashes"
    );
    for row in rows {
        let said = &row.said;
        write!(
            text,
            "\n{:<10}{:>12}{:>9}{:>8}{:>9}{:>8}{:>9}",
            row.target,
            said.executions,
            said.rate,
            said.edges,
            said.all_edges,
            said.units,
            u8::from(row.kept.is_some()),
        )
        .unwrap_or_default();
    }
    for row in rows {
        for outcome in &row.missing {
            write!(text, "\nnot reached: {}: {outcome}", row.target).unwrap_or_default();
        }
        if let Some(kept) = &row.kept {
            write!(
                text,
                "\ncrash: {}: {}; kept as {} ({} bytes), which `cargo xtask test` replays",
                row.target,
                kept.failure,
                kept.path.display(),
                kept.length
            )
            .unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(missing: &[&str], kept: Option<Kept>) -> Row {
        Row {
            target: "frame",
            missing: missing.iter().map(|&name| name.to_owned()).collect(),
            said: Said::default(),
            kept,
        }
    }

    #[test]
    fn a_crash_says_where_it_is_kept() {
        let kept = Kept {
            path: "observer/fuzz/regressions/frame/x.bin".into(),
            length: 31,
            failure: "a frame counts once".to_owned(),
        };
        let rows = [row(&[], Some(kept))];
        let text = render(&rows);
        assert!(text.contains("kept as observer/fuzz/regressions/frame/x.bin (31 bytes)"));
        assert!(!rows[0].is_good());
    }

    #[test]
    fn an_outcome_that_no_input_reaches_is_named() {
        let rows = [row(&["malformed tcp_short"], None)];
        assert!(render(&rows).ends_with("not reached: frame: malformed tcp_short"));
        assert!(!rows[0].is_good());
        assert!(row(&[], None).is_good());
    }
}
