//! Builds one component into the cache. What is built stands there whole or not at all: it is built
//! beside its place and moved there in one step, by one builder at a time. It never looks at the
//! checkout: the files that pin a component are part of this program.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ComponentsError;
use super::binaries::is_finished;
use super::go::Go;
use super::key;
use super::table::{Component, Program};
use crate::command::{self, Event};
use crate::report;
use crate::setup::progress::Progress;

/// No program takes longer on any machine that is alive.
const LIMIT: Duration = Duration::from_mins(40);
/// So many last lines of output explain a failure.
const TAIL: usize = 12;

/// A component whose programs are all there.
#[derive(Debug)]
pub struct Built {
    /// Which.
    pub component: &'static Component,
    /// Folder of its programs.
    pub folder: PathBuf,
    /// How long building took; nothing when it was there.
    pub took: Option<Duration>,
    /// Of all its programs, in bytes.
    pub size: u64,
}

/// Builds a component unless it is in the cache folder.
///
/// # Errors
/// When it has to be built and Go is absent or too old, or the build fails.
pub fn build(component: &'static Component, cache: &Path) -> Result<Built, ComponentsError> {
    if is_whole(component, cache) {
        return Ok(built(component, cache, None));
    }
    let started = Instant::now();
    let name = component.name;
    let go = Go::find().map_err(|found| ComponentsError::NoGo {
        component: name,
        found,
    })?;
    go.check_compiler(component)?;
    let parent = cache.join("components");
    let made = fs::create_dir_all(&parent);
    made.map_err(|source| io_error("make", &parent, source))?;
    let _lock = lock(name, &parent)?;
    if is_whole(component, cache) {
        return Ok(built(component, cache, None));
    }
    remove_leftovers(name, &parent)?;
    let staging = parent.join(format!("{}{}", prefix(name), std::process::id()));
    lay_out(component, &staging)?;
    let version = component.version;
    report::progress(format_args!(
        "build {name} {version} with Go {}",
        go.version
    ));
    for program in component.programs {
        build_program(&go, component, program, &staging)?;
    }
    move_in(&staging, &key::folder(component, cache))?;
    Ok(built(component, cache, Some(started.elapsed())))
}

fn is_whole(component: &Component, cache: &Path) -> bool {
    let mut programs = component.programs.iter();
    programs.all(|program| is_finished(&key::program(component, program.file, cache)))
}

fn built(component: &'static Component, cache: &Path, took: Option<Duration>) -> Built {
    let sizes = component.programs.iter().map(|program| {
        let path = key::program(component, program.file, cache);
        path.metadata().map_or(0, |file| file.len())
    });
    Built {
        component,
        folder: key::folder(component, cache).join(key::BIN),
        took,
        size: sizes.sum(),
    }
}

/// Held as long as the file is open; the system takes it back from a builder that was killed.
fn lock(name: &str, parent: &Path) -> Result<File, ComponentsError> {
    let path = parent.join(format!(".{name}.lock"));
    let failed = |source| io_error("lock", &path, source);
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            report::progress(format_args!(
                "build {name}: another build is under way; waiting"
            ));
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    Ok(file)
}

fn prefix(name: &str) -> String {
    format!(".{name}-building-")
}

/// Removes what builds that were killed have left.
fn remove_leftovers(name: &str, parent: &Path) -> Result<(), ComponentsError> {
    let entries = fs::read_dir(parent).map_err(|source| io_error("read", parent, source))?;
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&prefix(name))
        {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), ComponentsError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", folder, source))
        }
        _ => Ok(()),
    }
}

fn lay_out(component: &Component, staging: &Path) -> Result<(), ComponentsError> {
    for (path, text) in component.files {
        let path = staging.join(path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text));
        written.map_err(|source| io_error("write", &path, source))?;
    }
    Ok(())
}

fn build_program(
    go: &Go,
    component: &Component,
    program: &'static Program,
    staging: &Path,
) -> Result<(), ComponentsError> {
    let out = staging.join(key::BIN).join(program.file);
    let mut command = go.build(component.cgo, program, staging, &out);
    report::command(&command);
    let mut progress = Progress::start(&format!("build {}", program.file));
    let mut tail = VecDeque::new();
    let followed = command::follow(&mut command, LIMIT, |event| match event {
        Event::Output(line) | Event::Complaint(line) => {
            progress.tell(line);
            progress.tick();
            if !is_package(line) {
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.to_owned());
            }
        }
        Event::Tick => progress.tick(),
    });
    let ended = match followed {
        Ok(ended) => ended,
        Err(error) => {
            progress.finish("not started");
            return Err(error.into());
        }
    };
    if !ended.status.success() {
        progress.finish("failed");
        if ended.timed_out {
            tail.push_back("ended after its time was over".to_owned());
        }
        return Err(explain(program, &Vec::from(tail)));
    }
    progress.finish("done");
    let synced = File::open(&out).and_then(|file| file.sync_all());
    synced.map_err(|source| io_error("write", &out, source))
}

/// Go says each package that it builds on a line of its own: that is progress, not a cause.
fn is_package(line: &str) -> bool {
    !line.contains(char::is_whitespace)
}

fn explain(program: &'static Program, tail: &[String]) -> ComponentsError {
    let marks = [
        "dial tcp",
        "no such host",
        "i/o timeout",
        "connection refused",
        "network is unreachable",
        "TLS handshake timeout",
    ];
    let cause = tail
        .iter()
        .find(|line| marks.iter().any(|mark| line.contains(mark)));
    let program = program.file;
    match cause {
        Some(cause) => ComponentsError::NoNetwork {
            program,
            cause: cause.clone(),
        },
        None => ComponentsError::Build {
            program,
            tail: tail.join("\n"),
        },
    }
}

/// Replaces what is incomplete there; nobody else does the same, for the lock is held.
fn move_in(staging: &Path, folder: &Path) -> Result<(), ComponentsError> {
    remove(folder)?;
    fs::rename(staging, folder).map_err(|source| io_error("make", folder, source))
}

fn io_error(action: &str, path: &Path, source: io::Error) -> ComponentsError {
    ComponentsError::Io {
        action: format!("{action} {}", path.display()),
        source,
    }
}

#[cfg(test)]
mod tests;
