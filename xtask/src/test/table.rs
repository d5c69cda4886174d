//! The table of suites and the slowest tests, as text. It prints nothing.

use std::fmt::Write;

use super::score::Score;
use crate::report;

/// So many slowest tests are named.
const SLOWEST: usize = 5;

/// All rows in the order they ran, then the slowest tests of suites that run one by one.
pub(super) fn render(scores: &[Score]) -> String {
    let width = scores
        .iter()
        .map(|score| score.name.len())
        .max()
        .unwrap_or(0)
        .max("suite".len());
    let mut text = format!("\n{:<width$}  passed  failed  skipped      time", "suite");
    for score in scores {
        let (failed, skipped) = (score.failed.len(), score.skipped.len());
        let took = report::seconds(score.took);
        // Writing into a string cannot fail.
        write!(
            text,
            "\n{:<width$}  {:>6}  {failed:>6}  {skipped:>7}  {took:>8}",
            score.name, score.passed
        )
        .unwrap_or_default();
    }
    let mut tests: Vec<_> = scores
        .iter()
        .flat_map(|score| {
            score
                .durations
                .iter()
                .map(move |(test, took)| (took, &score.name, test))
        })
        .collect();
    tests.sort_by(|a, b| b.0.cmp(a.0));
    for (index, (took, suite, test)) in tests.into_iter().take(SLOWEST).enumerate() {
        let head = if index == 0 { "\n\nslowest tests:" } else { "" };
        write!(
            text,
            "{head}\n  {:>8}  {suite}  {test}",
            report::seconds(*took)
        )
        .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rows_are_aligned_and_the_slowest_come_first() {
        let mut score = Score::broken("observer tests/abi", "x");
        score.took = Duration::from_secs(75);
        score.durations = (1..9)
            .map(|n| (format!("t{n}"), Duration::from_secs(n)))
            .collect();
        let text = render(&[Score::broken("a", "y"), score]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines[0],
            "suite               passed  failed  skipped      time"
        );
        assert_eq!(
            lines[1],
            "a                        0       1        0     0.0 s"
        );
        assert_eq!(
            lines[2],
            "observer tests/abi       0       1        0  1 min 15 s"
        );
        let slow: Vec<&str> = lines[5..].iter().map(|line| line.trim_start()).collect();
        assert!(
            slow[0].starts_with("8.0 s") && slow[0].ends_with("t8"),
            "{slow:?}"
        );
        assert_eq!(slow.len(), SLOWEST);
    }
}
