//! The rules of the house over every file that git knows or would know. Rules are pure functions
//! of the tree's text; only [`Tree::read`] touches the disk.

mod rules;

use std::collections::BTreeMap;
use std::fs;

use super::CheckError;
use crate::{report, workspace_root};

const COMMAND: &str = "git ls-files";

/// Path from the root with `/`, and text; files that are not text are there with empty text.
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads what git tracks and what it would track.
    ///
    /// # Errors
    /// When git cannot list the files.
    pub fn read() -> Result<Self, CheckError> {
        let root = workspace_root();
        let mut git = std::process::Command::new("git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        git.current_dir(&root);
        report::command(&git);
        let answer = |cause: String| CheckError::Answer {
            command: COMMAND,
            cause,
        };
        let output = git.output().map_err(|error| answer(error.to_string()))?;
        if !output.status.success() {
            return Err(answer(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            ));
        }
        let listed = String::from_utf8_lossy(&output.stdout);
        let paths = listed
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).is_file());
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        Ok(Self {
            files: paths.map(|path| (path.to_owned(), text(path))).collect(),
        })
    }

    /// Paths and texts, in order of path.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Rust sources only.
    fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| has_extension(path, "rs"))
    }

    /// The text of one file.
    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// A file or a folder of that path is there.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.keys().any(|file| file.starts_with(&folder))
    }
}

/// Runs every rule over the tree.
pub(super) fn check() -> Result<(), CheckError> {
    let tree = Tree::read()?;
    let findings: Vec<String> = rules::RULES.iter().flat_map(|rule| rule(&tree)).collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(CheckError::Findings(findings))
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}
