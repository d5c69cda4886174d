//! Every dependency may be distributed with us: its licence expression allows one of ours or a
//! permissive one. It reads `cargo metadata` and asks no network.

use serde::Deserialize;

use super::CheckError;
use crate::command;
use crate::report;

const COMMAND: &str = "cargo metadata";

/// Licences that ask for no more than naming their authors.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

pub(super) fn check() -> Result<(), CheckError> {
    let mut findings = Vec::new();
    for manifest in super::MANIFESTS {
        findings.extend(packages(manifest)?.iter().filter_map(finding));
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(CheckError::Findings(findings))
    }
}

/// All packages that a workspace is built from.
fn packages(manifest: &str) -> Result<Vec<Package>, CheckError> {
    let mut metadata = command::cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked"]);
    metadata.args(["--manifest-path", manifest]);
    report::command(&metadata);
    let answer = |cause: String| CheckError::Answer {
        command: COMMAND,
        cause,
    };
    let output = metadata
        .output()
        .map_err(|error| answer(error.to_string()))?;
    if !output.status.success() {
        return Err(answer(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| answer(error.to_string()))?;
    Ok(metadata.packages)
}

fn finding(package: &Package) -> Option<String> {
    let Package {
        name,
        version,
        license,
    } = package;
    let Some(expression) = license else {
        return Some(format!("{name} {version}: states no licence"));
    };
    (!is_allowed(expression)).then(|| format!("{name} {version}: {expression} is not permissive"))
}

/// An SPDX expression, or cargo's old `A/B`: some `OR` branch consists of allowed licences only.
fn is_allowed(expression: &str) -> bool {
    let words = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut rest = &words[..];
    any_of(&mut rest) && rest.is_empty()
}

fn any_of(rest: &mut &[&str]) -> bool {
    let mut allowed = all_of(rest);
    while take(rest, "OR") {
        allowed |= all_of(rest);
    }
    allowed
}

fn all_of(rest: &mut &[&str]) -> bool {
    let mut allowed = one(rest);
    while take(rest, "AND") {
        allowed &= one(rest);
    }
    allowed
}

fn one(rest: &mut &[&str]) -> bool {
    if take(rest, "(") {
        let allowed = any_of(rest);
        return take(rest, ")") && allowed;
    }
    let Some((name, tail)) = rest.split_first() else {
        return false;
    };
    *rest = tail;
    let mut name = (*name).to_owned();
    if take(rest, "WITH") {
        let Some((exception, tail)) = rest.split_first() else {
            return false;
        };
        *rest = tail;
        name = format!("{name} WITH {exception}");
    }
    ALLOWED.contains(&name.as_str())
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let found = rest.first() == Some(&word);
    if found {
        *rest = &rest[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_with_their_operators() {
        let cases = [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-2.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND AGPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("LGPL-2.1-only OR BSD-2-Clause", true),
            ("(GPL-3.0-only OR AGPL-3.0-only)", false),
            ("MIT Apache-2.0", false),
            ("", false),
        ];
        for (expression, allowed) in cases {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_named() {
        let package = Package {
            name: "x".into(),
            version: "1.0.0".into(),
            license: None,
        };
        assert_eq!(
            finding(&package).as_deref(),
            Some("x 1.0.0: states no licence")
        );
    }
}
