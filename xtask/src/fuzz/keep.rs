//! Keeps the input that made a target fail: as small as it can be made, under a name that says how
//! the target failed, where the ordinary tests replay it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::corpus::fuzzer;
use super::engine::limits;
use super::said::Said;
use super::{FuzzError, KEPT};
use crate::command::{self, Event};
use crate::fuzz_target::Target;
use crate::setup::progress::Progress;
use crate::{report, workspace_root};

/// Making an input smaller ends then.
const LIMIT: Duration = Duration::from_mins(1);
/// How long no smaller input is found, seconds.
const PATIENCE: u32 = 5;
/// Letters of a name.
const LONGEST: usize = 48;

/// An input that is kept.
pub(super) struct Kept {
    /// Where, from the root.
    pub(super) path: PathBuf,
    /// Its length, bytes.
    pub(super) length: usize,
    /// How the target fails.
    pub(super) failure: String,
}

/// Keeps an input. One of the same name is replaced if it is longer: it is the same failure.
pub(super) fn keep(program: &Path, target: Target, input: &Path) -> Result<Kept, FuzzError> {
    let smaller = input.with_extension("smaller");
    minimise(program, target, (input, &smaller))?;
    let read = |path: &Path| fs::read(path).map_err(FuzzError::file("read", path));
    let (mut bytes, mut failure) = (read(input)?, fails(program, target, input)?);
    if smaller.is_file()
        && let Some(said) = fails(program, target, &smaller)?
    {
        (bytes, failure) = (read(&smaller)?, Some(said));
    }
    let failure = failure.unwrap_or_else(|| "fails at times".to_owned());
    let folder = workspace_root().join(KEPT).join(target.name());
    fs::create_dir_all(&folder).map_err(FuzzError::file("make", &folder))?;
    let path = folder.join(format!("{}.bin", name(&failure)));
    let held = fs::metadata(&path).map(|held| held.len());
    if held.is_ok_and(|held| held <= bytes.len() as u64) {
        report::progress(format_args!("{} is there already", path.display()));
    } else {
        fs::write(&path, &bytes).map_err(FuzzError::file("write", &path))?;
    }
    let root = workspace_root();
    Ok(Kept {
        path: path.strip_prefix(&root).unwrap_or(&path).to_owned(),
        length: bytes.len(),
        failure,
    })
}

/// Lets libFuzzer look for ever smaller inputs that make the target fail.
fn minimise(
    program: &Path,
    target: Target,
    (input, smaller): (&Path, &Path),
) -> Result<(), FuzzError> {
    let mut command = fuzzer(program, target);
    command.arg("-minimize_crash=1");
    command.arg(format!("-max_total_time={PATIENCE}"));
    command.arg(format!("-exact_artifact_path={}", smaller.display()));
    limits(&mut command);
    command.arg(input);
    let mut progress = Progress::start("make the input smaller");
    command::follow(&mut command, LIMIT, |event| match event {
        Event::Output(line) | Event::Complaint(line) => {
            progress.tell(line);
            progress.tick();
        }
        Event::Tick => progress.tick(),
    })?;
    progress.finish("done");
    Ok(())
}

/// How an input makes the target fail, if it does.
fn fails(program: &Path, target: Target, input: &Path) -> Result<Option<String>, FuzzError> {
    let mut command = fuzzer(program, target);
    command.arg(format!(
        "-artifact_prefix={}/again-",
        input.parent().unwrap_or(input).display()
    ));
    limits(&mut command);
    command.arg(input);
    let mut said = Said::default();
    let ended = command::follow(&mut command, LIMIT, |event| {
        if let Event::Complaint(line) = event {
            said.line(line);
        }
    })?;
    if ended.status.success() {
        return Ok(None);
    }
    Ok(Some(said.failure.unwrap_or_else(|| "fails".to_owned())))
}

/// A file's name that says how a target fails: its words without what differs from input to input.
fn name(failure: &str) -> String {
    let claim = failure
        .strip_prefix("assertion `left == right` failed: ")
        .unwrap_or(failure);
    let claim = claim.split(':').next().unwrap_or(claim);
    let words = claim.split(|letter: char| !letter.is_ascii_alphabetic());
    let mut name = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if name.len() + word.len() >= LONGEST {
            break;
        }
        if !name.is_empty() {
            name.push('_');
        }
        name.push_str(&word.to_ascii_lowercase());
    }
    if name.is_empty() {
        "fails".clone_into(&mut name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_the_target_fails_without_numbers() {
        for (failure, wanted) in [
            (
                "assertion `left == right` failed: a frame counts once",
                "a_frame_counts_once",
            ),
            (
                "index out of bounds: the len is 3 but the index is 7",
                "index_out_of_bounds",
            ),
            ("timeout after 10 seconds", "timeout_after_seconds"),
            ("17: 4", "fails"),
        ] {
            assert_eq!(name(failure), wanted);
        }
        assert!(name(&"word ".repeat(40)).len() <= LONGEST);
    }
}
