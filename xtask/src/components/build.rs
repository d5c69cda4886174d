//! Builds one component into the cache. What is built stands there whole or not at all: it is built
//! beside its place and moved there in one step, by one builder at a time. It never reads the
//! checkout: the files that pin a component are part of this program.

mod place;

use std::collections::VecDeque;
use std::fs::File;
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
use place::Staging;

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
    let is_there = || is_whole(component, cache);
    let Some(staging) = Staging::begin(component, cache, is_there)? else {
        return Ok(built(component, cache, None));
    };
    let version = component.version;
    report::progress(format_args!(
        "build {name} {version} with Go {}",
        go.version
    ));
    for program in component.programs {
        build_program(&go, component, program, &staging.folder)?;
    }
    staging.finish(&key::folder(component, cache))?;
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
    synced.map_err(|source| place::io_error("write", &out, source))
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

#[cfg(test)]
mod tests;
