//! From what a suite printed, how it ended and what it skipped to the counts of its row. Pure.

use std::fmt;
use std::time::Duration;

use super::libtest::{Closing, Transcript};
use super::skips::Skip;
use crate::check::{Checked, Outcome};

/// What it means that a suite has no tests at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emptiness {
    /// Somebody's tests were lost.
    Failure,
    /// Nothing: there need not be any.
    Allowed,
}

/// One row: a suite or a check.
#[derive(Debug, Default)]
pub(super) struct Score {
    pub name: String,
    pub passed: usize,
    /// One entry per failure: a test's name, or what broke.
    pub failed: Vec<String>,
    pub skipped: Vec<Skip>,
    pub took: Duration,
    /// Single tests with their time, where they ran one by one.
    pub durations: Vec<(String, Duration)>,
}

/// How the process of a suite ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With success.
    Clean,
    /// Otherwise, in words.
    Broken(String),
}

/// The sums of all rows; prints as the very last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Total {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Score {
    /// The row of a check.
    pub(super) fn of_check(check: &Checked) -> Self {
        let mut score = Self {
            name: format!("check {}", check.name),
            took: check.took,
            ..Self::default()
        };
        match &check.outcome {
            Outcome::Green => score.passed = 1,
            Outcome::Skipped(reason) => score.skipped.push(Skip {
                test: check.name.to_owned(),
                reason: reason.clone(),
            }),
            Outcome::NotGreen => score.failed.push("not green, see above".to_owned()),
        }
        score
    }

    /// A row for something that failed as a whole.
    pub(super) fn broken(name: &str, cause: &str) -> Self {
        Self {
            name: name.to_owned(),
            failed: vec![cause.to_owned()],
            ..Self::default()
        }
    }

    /// The row of a suite.
    pub(super) fn of_suite(
        name: &str,
        transcript: Transcript,
        ending: &Ending,
        emptiness: Emptiness,
        skips: Vec<Skip>,
    ) -> Self {
        let mut failed = transcript.failed.clone();
        let mut passed = transcript.passed.len();
        let counted = transcript.closing.unwrap_or_default();
        match (&transcript.closing, ending) {
            (None, Ending::Clean) => failed.push("ended without a closing line".to_owned()),
            (None, Ending::Broken(how)) => failed.push(crash(&transcript, how)),
            (Some(_), Ending::Broken(how)) if counted.failed == 0 => {
                failed.push(format!(
                    "every test passed, and still the process ended with {how}"
                ));
            }
            (Some(_), Ending::Broken(_) | Ending::Clean) => {}
        }
        if transcript.closing.is_some() {
            passed = counted.passed;
            let unnamed = counted.failed.saturating_sub(transcript.failed.len());
            failed.extend((0..unnamed).map(|_| "a test whose name was not readable".to_owned()));
            if counted == Closing::default() && emptiness == Emptiness::Failure {
                failed.push("has no tests".to_owned());
            }
        }
        let ignored = transcript.ignored.into_iter();
        let mut skipped: Vec<Skip> = ignored
            .map(|(test, reason)| Skip { test, reason })
            .collect();
        for skip in skips {
            let is = |name: &String| is_name(name, &skip.test);
            if transcript.failed.iter().any(is) {
                continue;
            }
            if transcript.passed.iter().any(is) && passed > 0 {
                passed -= 1;
                skipped.push(skip);
            } else {
                failed.push(format!(
                    "reported a skip of `{}`, which is none of its tests",
                    skip.test
                ));
            }
        }
        let durations = transcript.durations;
        Self {
            name: name.to_owned(),
            passed,
            failed,
            skipped,
            took: Duration::ZERO,
            durations,
        }
    }

    /// Nothing of this suite was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.passed == 0 && self.failed.is_empty() && self.skipped.is_empty()
    }
}

/// Sums all rows.
pub(super) fn total(scores: &[Score]) -> Total {
    Total {
        passed: scores.iter().map(|score| score.passed).sum(),
        failed: scores.iter().map(|score| score.failed.len()).sum(),
        skipped: scores.iter().map(|score| score.skipped.len()).sum(),
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

fn crash(transcript: &Transcript, how: &str) -> String {
    if !transcript.has_begun() {
        return format!("ended before its first test ({how})");
    }
    let running = transcript
        .running()
        .map(|name| format!(" in {name}"))
        .unwrap_or_default();
    format!(
        "crashed{running} ({how}); {} test(s) unheard of",
        transcript.unheard()
    )
}

/// `said` is the test's path or the end of it.
fn is_name(test: &str, said: &str) -> bool {
    test == said
        || test
            .strip_suffix(said)
            .is_some_and(|before| before.ends_with("::"))
}

#[cfg(test)]
mod tests;
