//! What the fuzzer does before it fuzzes, as its environment says: writes the first inputs of a
//! target into a folder, or tells which outcomes the inputs of folders reach. Both end the process.

use std::path::{Path, PathBuf};
use std::process::exit;
use std::{env, fs};

use crate::dispatch;
use crate::outcomes::Histogram;
use crate::target::Target;

const TARGET: &str = "NETPATH_FUZZ_TARGET";
const SEED: &str = "NETPATH_FUZZ_SEED";
const SEEDS: &str = "NETPATH_FUZZ_SEEDS";
const OUTCOMES: &str = "NETPATH_FUZZ_OUTCOMES";

/// The target that the environment names.
pub(crate) fn target() -> Target {
    let name = env::var(TARGET).unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        let names: Vec<_> = Target::ALL.iter().map(|target| target.name()).collect();
        fail(&format!(
            "{TARGET} is `{name}`, not one of {}",
            names.join(", ")
        ))
    })
}

/// Does what is asked instead of fuzzing, and ends the process; else returns.
pub(crate) fn serve(target: Target) {
    if let Some(folder) = env::var_os(SEEDS) {
        write(target, Path::new(&folder));
        exit(0);
    }
    if let Some(folders) = env::var_os(OUTCOMES) {
        tell(target, &env::split_paths(&folders).collect::<Vec<_>>());
        exit(0);
    }
}

fn write(target: Target, folder: &Path) {
    let seed = env::var(SEED).ok().and_then(|text| text.parse().ok());
    for (name, bytes) in dispatch::seeds(target, seed.unwrap_or(0)) {
        let path = folder.join(name);
        if let Err(error) = fs::write(&path, bytes) {
            fail(&format!("write {}: {error}", path.display()));
        }
    }
}

/// A line `outcome GROUP NAME NUMBER` for each, then a line `missing GROUP NAME` for what is not reached.
#[expect(clippy::print_stdout, reason = "its caller reads it")]
fn tell(target: Target, folders: &[PathBuf]) {
    let mut histogram = Histogram::of(dispatch::wanted(target));
    for folder in folders {
        let entries = fs::read_dir(folder).and_then(|all| all.collect::<Result<Vec<_>, _>>());
        let entries = entries.unwrap_or_else(|error| refuse(folder, &error));
        for entry in entries {
            let path = entry.path();
            let input = fs::read(&path).unwrap_or_else(|error| refuse(&path, &error));
            dispatch::run(target, &input, &mut |group, name| {
                histogram.add(group, name)
            });
        }
    }
    for line in histogram.lines() {
        println!("outcome {line}");
    }
    for outcome in histogram.missing() {
        println!("missing {outcome}");
    }
}

fn refuse(path: &Path, error: &std::io::Error) -> ! {
    fail(&format!("read {}: {error}", path.display()))
}

fn fail(what: &str) -> ! {
    eprintln!("fuzz: {what}");
    exit(2)
}
