//! What went wrong on a path, by kind and number.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

/// How often each kind of failure was met, for example `connect: timed out`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Failures(BTreeMap<String, u32>);

impl Failures {
    /// Counts a failed step.
    pub(super) fn count(&mut self, step: &str, cause: &io::Error) {
        *self.0.entry(kind(step, cause)).or_default() += 1;
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.values().sum()
    }

    /// Those that ran out of time.
    #[must_use]
    pub fn timeouts(&self) -> u32 {
        let late = self.0.iter().filter(|(kind, _)| kind.ends_with(TIMED_OUT));
        late.map(|(_, number)| number).sum()
    }
}

const TIMED_OUT: &str = "timed out";

/// The kind of a failed step, without anything that differs from one to the next.
pub(super) fn kind(step: &str, cause: &io::Error) -> String {
    // The kernel's two names for the end of a bounded wait.
    let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
    if late.contains(&cause.kind()) {
        format!("{step}: {TIMED_OUT}")
    } else {
        format!("{step}: {}", cause.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, io};

    #[test]
    fn failures_are_counted_by_kind() {
        let mut failures = Failures::default();
        for code in [libc::EAGAIN, libc::ETIMEDOUT, libc::ECONNREFUSED] {
            failures.count("connect", &io::Error::from_raw_os_error(code));
        }
        assert_eq!((failures.total(), failures.timeouts()), (3, 2));
        let text = serde_json::to_string(&failures).expect("JSON");
        assert_eq!(
            text,
            r#"{"connect: connection refused":1,"connect: timed out":2}"#
        );
    }
}
