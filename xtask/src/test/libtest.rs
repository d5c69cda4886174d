//! Reads what a Rust test binary prints. Output of child processes may stand between its lines,
//! so the closing line counts and the names only explain it. Pure.

use std::time::Duration;

/// What one run of a test binary (or of several, one after the other) said.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// Names of passed tests.
    pub passed: Vec<String>,
    /// Names of failed tests.
    pub failed: Vec<String>,
    /// Ignored tests with their reason.
    pub ignored: Vec<(String, String)>,
    /// Time between one result and the next; the time of a test where they run one by one.
    pub durations: Vec<(String, Duration)>,
    /// Sum of the closing lines.
    pub closing: Option<Closing>,
    begun: Option<String>,
    announced: usize,
    last: Duration,
}

/// The closing line of a test binary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Closing {
    pub passed: usize,
    pub failed: usize,
    pub ignored: usize,
    pub filtered: usize,
}

impl Transcript {
    /// Takes one line that arrived so long after the start.
    pub(super) fn line(&mut self, line: &str, at: Duration) {
        if let Some(count) = announcement(line) {
            self.announced += count;
            self.last = at;
        } else if let Some(counts) = closing(line) {
            let sum = self.closing.get_or_insert_default();
            sum.passed += counts.passed;
            sum.failed += counts.failed;
            sum.ignored += counts.ignored;
            sum.filtered += counts.filtered;
        } else if let Some((name, result)) = split_result(line) {
            let name = name.trim_end_matches(" - should panic").to_owned();
            self.begun = Some(name);
            self.result(result, at);
        } else if self.begun.is_some() {
            self.result(line, at);
        }
    }

    /// Any tests were announced.
    pub(super) fn has_begun(&self) -> bool {
        self.announced > 0
    }

    /// Announced tests of which nothing more was heard, by count.
    pub(super) fn unheard(&self) -> usize {
        let heard = self.passed.len() + self.failed.len() + self.ignored.len();
        self.announced.saturating_sub(heard)
    }

    /// The test that was running when the output ended.
    pub(super) fn running(&self) -> Option<&str> {
        self.begun.as_deref()
    }

    fn result(&mut self, result: &str, at: Duration) {
        let Some(name) = self.begun.take() else {
            return;
        };
        if result.ends_with("ok") {
            self.passed.push(name.clone());
        } else if result.ends_with("FAILED") {
            self.failed.push(name.clone());
        } else if let Some(reason) = result.strip_prefix("ignored") {
            let reason = reason.trim_start_matches([',', ' ']);
            let reason = if reason.is_empty() { "ignored" } else { reason };
            self.ignored.push((name, reason.to_owned()));
            return;
        } else {
            // Something else printed into the line; the result comes later.
            self.begun = Some(name);
            return;
        }
        self.durations.push((name, at.saturating_sub(self.last)));
        self.last = at;
    }
}

/// The 12 of `running 12 tests`.
fn announcement(line: &str) -> Option<usize> {
    let count = line.strip_prefix("running ")?;
    count
        .strip_suffix(" tests")
        .or_else(|| count.strip_suffix(" test"))?
        .parse()
        .ok()
}

/// The name and the rest of `test a::b ... ok`.
fn split_result(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("test ")?;
    rest.split_once(" ... ")
        .or_else(|| rest.strip_suffix(" ...").map(|name| (name, "")))
}

/// The counts of `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; …`.
fn closing(line: &str) -> Option<Closing> {
    let rest = &line[line.find("test result: ")?..];
    let count = |word: &str| {
        let before = rest
            .split(word)
            .next()
            .filter(|before| before.len() < rest.len())?;
        before
            .rsplit([' ', '.'])
            .find(|part| !part.is_empty())?
            .parse()
            .ok()
    };
    Some(Closing {
        passed: count(" passed")?,
        failed: count(" failed")?,
        ignored: count(" ignored")?,
        filtered: count(" filtered out")?,
    })
}

#[cfg(test)]
mod tests;
