//! One process of libFuzzer: started, followed, and told to end when the user wants it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::FuzzError;
use super::corpus::{Corpus, fuzzer};
use super::said::Said;
use crate::command::CommandError;
use crate::report;
use crate::setup::progress::Progress;
use crate::traffic::Stop;

/// The longest input that is tried, bytes: some frames, or a capture of some.
const LONGEST: u32 = 16_384;
/// An input that takes longer makes the target fail, seconds.
const TIMEOUT: u32 = 10;
/// A target that takes more memory fails, MiB.
const MEMORY: u32 = 2_048;
const TICK: Duration = Duration::from_millis(200);

/// How a run ended.
pub(super) struct Ran {
    /// Its numbers.
    pub(super) said: Said,
    /// The input that made the target fail.
    pub(super) crash: Option<PathBuf>,
}

/// Fuzzes for a time, or until an input makes the target fail, or the user has enough.
pub(super) fn run(
    program: &Path,
    corpus: &Corpus,
    (time, seed): (Duration, u32),
    stop: &Stop,
) -> Result<Ran, FuzzError> {
    let mut command = fuzzer(program, corpus.target);
    command.args([&corpus.found, &corpus.first]);
    command.args([
        format!("-max_total_time={}", time.as_secs()),
        format!("-seed={seed}"),
        format!("-max_len={LONGEST}"),
        format!("-artifact_prefix={}/", corpus.first.display()),
    ]);
    command.args(["-len_control=0", "-print_final_stats=1"]);
    limits(&mut command);
    report::command(&command);
    let name = corpus.target.name();
    let mut progress = Progress::start(&format!("fuzz {name}"));
    let (said, status, words) = follow(&mut command, &mut progress, stop)?;
    progress.finish(match said.failure {
        Some(_) => "failed",
        None => "done",
    });
    let crash = said.artifact.as_ref().map(PathBuf::from);
    let is_over = status.success() || stop.is_set();
    if crash.is_none() && !is_over {
        return Err(FuzzError::Ended {
            target: name,
            status: status.to_string(),
            words,
        });
    }
    Ok(Ran { said, crash })
}

/// What no input may take.
pub(super) fn limits(command: &mut Command) {
    command.arg(format!("-timeout={TIMEOUT}"));
    command.arg(format!("-rss_limit_mb={MEMORY}"));
}

/// Follows the process to its end; an interrupt of ours is one of its own too.
fn follow(
    command: &mut Command,
    progress: &mut Progress,
    stop: &Stop,
) -> Result<(Said, std::process::ExitStatus, String), FuzzError> {
    let start = |command: &Command, source| {
        FuzzError::Command(CommandError::Start {
            command: report::typed(command),
            source,
        })
    };
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|source| start(command, source))?;
    let lines = lines_of(&mut child);
    let (mut said, mut words, mut is_told) = (Said::default(), String::new(), false);
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => {
                said.line(&line);
                progress.tell(&line);
                if !line.trim().is_empty() {
                    words = line;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.tick();
        if stop.is_set() && !is_told {
            is_told = true;
            interrupt(&child);
        }
    }
    let status = child.wait().map_err(|source| start(command, source))?;
    Ok((said, status, words))
}

fn interrupt(child: &Child) {
    let number = i32::try_from(child.id()).ok();
    if let Some(Err(cause)) = number.map(|number| kill(Pid::from_raw(number), Signal::SIGINT)) {
        report::error(format_args!("interrupt the fuzzer: {cause}"));
    }
}

/// What the process writes to standard error; ends with it.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.stderr.take() {
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while reader
                .read_until(b'\n', &mut bytes)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
    }
    lines
}
