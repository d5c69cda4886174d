//! Skips that tests report, the list of those that are allowed, and the strict rule. A skip is
//! allowed by its test's name and its reason together, never by one of them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::TestError;
use crate::workspace_root;

/// The list, from the root of the workspace.
pub(super) const ALLOWED_SKIPS: &str = ".ci/allowed-skips";

/// A test that could not run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub test: String,
    pub reason: String,
}

/// A line of the list.
pub(super) type Allowed = Skip;

/// Reads the list of allowed skips; a missing file allows none.
pub(super) fn read_allowed() -> Result<Vec<Allowed>, TestError> {
    let path = workspace_root().join(ALLOWED_SKIPS);
    let error = |cause: String| TestError::AllowedSkips {
        path: path.clone(),
        cause,
    };
    match fs::read_to_string(&path) {
        Ok(text) => parse_allowed(&text).map_err(error),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(error(cause.to_string())),
    }
}

/// Lines `test-name: reason`; empty lines and those that begin with `#` say nothing.
fn parse_allowed(text: &str) -> Result<Vec<Allowed>, String> {
    let mut allowed: Vec<Allowed> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let (test, reason) = line
            .split_once(": ")
            .ok_or_else(|| format!("line {number} states no reason"))?;
        let skip = Skip {
            test: test.trim().to_owned(),
            reason: reason.trim().to_owned(),
        };
        if skip.test.is_empty() || skip.reason.is_empty() || skip.test.contains(' ') {
            return Err(format!("line {number} is not a test name and a reason"));
        }
        if allowed.contains(&skip) {
            return Err(format!("line {number} stands there twice"));
        }
        allowed.push(skip);
    }
    Ok(allowed)
}

/// The skips that the list does not name with their reason.
pub(super) fn unlisted<'a>(
    skips: impl Iterator<Item = &'a Skip>,
    allowed: &[Allowed],
) -> Vec<&'a Skip> {
    skips.filter(|skip| !allowed.contains(skip)).collect()
}

/// Skips that the tests of one suite wrote into their file; no file means none.
pub(super) fn read_reported(path: &Path) -> Vec<Skip> {
    parse_reported(&fs::read_to_string(path).unwrap_or_default())
}

fn parse_reported(text: &str) -> Vec<Skip> {
    let mut skips: Vec<Skip> = Vec::new();
    for (test, reason) in text.lines().filter_map(|line| line.split_once('\t')) {
        if !skips.iter().any(|skip| skip.test == test) {
            skips.push(Skip {
                test: test.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_names_with_reasons_and_comments() {
        let text = "# what may be skipped\n\nlab::s1::drives: needs a real tailscaled: v1\n";
        let wanted = skip("lab::s1::drives", "needs a real tailscaled: v1");
        assert_eq!(parse_allowed(text), Ok(vec![wanted]));
    }

    #[test]
    fn lines_without_name_or_reason_and_repeated_ones_are_refused() {
        for text in ["a::b", "a::b:", ": x", "two words: x", "a: x\na: x"] {
            assert!(parse_allowed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_skip_is_allowed_only_with_its_very_reason() {
        let allowed = [skip("a", "needs root")];
        let skips = [
            skip("a", "needs root"),
            skip("a", "too slow"),
            skip("b", "needs root"),
        ];
        assert_eq!(unlisted(skips.iter(), &allowed), [&skips[1], &skips[2]]);
    }

    #[test]
    fn what_a_test_reports_is_what_the_runner_reads() {
        let path = std::env::temp_dir().join(format!("netpath-skips-{}", std::process::id()));
        fs::write(&path, "a\tneeds root\nb\tno btf\na\tagain\n").expect("write");
        let skips = read_reported(&path);
        fs::remove_file(&path).expect("remove");
        assert_eq!(skips, [skip("a", "needs root"), skip("b", "no btf")]);
        assert!(read_reported(&path).is_empty());
    }

    fn skip(test: &str, reason: &str) -> Skip {
        Skip {
            test: test.to_owned(),
            reason: reason.to_owned(),
        }
    }
}
