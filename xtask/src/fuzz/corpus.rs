//! A target's inputs: those to begin with, made anew at each start, and those that earlier runs have
//! found, which stay in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{FuzzError, KEPT};
use crate::command::{self, CommandError, Event};
use crate::fuzz_target::Target;
use crate::{report, toolchain, workspace_root};

/// Writing or measuring the first inputs takes seconds.
const LIMIT: Duration = Duration::from_mins(5);

/// Linux' folder of files in memory.
const MEMORY: &str = "/dev/shm";

/// Folders of inputs. The first inputs and the targets' own files are removed at the end.
pub(super) struct Corpus {
    /// The target.
    pub(super) target: Target,
    /// What was found.
    pub(super) found: PathBuf,
    /// What is begun with.
    pub(super) first: PathBuf,
}

/// What inputs lead to.
pub(super) struct Outcomes {
    /// Every outcome with its number.
    pub(super) reached: Vec<(String, u64)>,
    /// What none of them reaches.
    pub(super) missing: Vec<String>,
}

impl Corpus {
    /// Lets the fuzzer write the first inputs; what once made the target fail is among them.
    pub(super) fn begin(program: &Path, target: Target, seed: u32) -> Result<Self, FuzzError> {
        let folder = folder(target);
        let corpus = Self {
            target,
            found: folder.join("found"),
            first: folder.join(format!("first-{}", std::process::id())),
        };
        for folder in [&corpus.found, &corpus.first, &scratch(target)] {
            fs::create_dir_all(folder).map_err(FuzzError::file("make", folder))?;
        }
        let mut write = fuzzer(program, target);
        write.env("NETPATH_FUZZ_SEEDS", &corpus.first);
        write.env("NETPATH_FUZZ_SEED", seed.to_string());
        told(&mut write)?;
        let kept = workspace_root().join(KEPT).join(target.name());
        if kept.is_dir() {
            for entry in list(&kept)? {
                let copy = corpus.first.join(entry.file_name().unwrap_or_default());
                fs::copy(&entry, &copy).map_err(FuzzError::file("copy", &entry))?;
            }
        }
        Ok(corpus)
    }

    /// What the first inputs lead to; nothing if one of them makes the target fail.
    pub(super) fn outcomes(&self, program: &Path) -> Option<Outcomes> {
        let mut tell = fuzzer(program, self.target);
        tell.env("NETPATH_FUZZ_OUTCOMES", &self.first);
        let told = told(&mut tell).ok()?;
        let reached = told.iter().filter_map(|line| {
            let (name, number) = line.strip_prefix("outcome ")?.rsplit_once(' ')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        let missing = told.iter().filter_map(|line| line.strip_prefix("missing "));
        Some(Outcomes {
            reached: reached.collect(),
            missing: missing.map(str::to_owned).collect(),
        })
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        for folder in [&self.first, &scratch(self.target)] {
            if let Err(cause) = fs::remove_dir_all(folder) {
                report::error(format_args!("remove {}: {cause}", folder.display()));
            }
        }
    }
}

fn folder(target: Target) -> PathBuf {
    toolchain::cache_dir().join("fuzz").join(target.name())
}

/// Where targets put what has to be a file, which is most of what such an input takes: in memory if
/// the system has such a folder.
fn scratch(target: Target) -> PathBuf {
    let (memory, process) = (Path::new(MEMORY), std::process::id());
    if memory.is_dir() {
        memory.join(format!("netpath-fuzz-{}-{process}", target.name()))
    } else {
        folder(target).join(format!("scratch-{process}"))
    }
}

/// The fuzzer, told its target.
pub(super) fn fuzzer(program: &Path, target: Target) -> Command {
    let mut command = Command::new(program);
    command.env("NETPATH_FUZZ_TARGET", target.name());
    command.env("TMPDIR", scratch(target));
    command
}

/// What the fuzzer writes to standard output; its complaints are shown if it fails.
fn told(command: &mut Command) -> Result<Vec<String>, FuzzError> {
    let (mut lines, mut complaints) = (Vec::new(), Vec::new());
    let ended = command::follow(command, LIMIT, |event| match event {
        Event::Output(line) => lines.push(line.to_owned()),
        Event::Complaint(line) => complaints.push(line.to_owned()),
        Event::Tick => {}
    })?;
    if ended.status.success() {
        return Ok(lines);
    }
    report::error(complaints.join("\n"));
    Err(FuzzError::Command(CommandError::Failed {
        command: report::typed(command),
        status: ended.status,
    }))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, FuzzError> {
    let entries = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    });
    entries.map_err(FuzzError::file("read", folder))
}
