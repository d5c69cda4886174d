//! Starts other programs and follows their output line by line. It never interprets what they
//! print, and it ends only the process that it started itself.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::report;

/// How often [`follow`] reports [`Event::Tick`] while a program is silent.
const TICK: Duration = Duration::from_millis(200);
/// How long output of grandchildren is still read after the program itself has ended.
const LINGER: Duration = Duration::from_secs(2);

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program could not be started at all.
    #[error("start `{command}`: {source}; is it installed and on the path?")]
    Start {
        /// The command as typed.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program ran and reported failure.
    #[error("run `{command}`: {status}")]
    Failed {
        /// The command as typed.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
}

/// What happened while a program ran.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A line on standard output.
    Output(&'a str),
    /// A line on standard error.
    Complaint(&'a str),
    /// Nothing for a while.
    Tick,
}

/// How a followed program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status of the program.
    pub status: ExitStatus,
    /// It was ended because its time was over.
    pub timed_out: bool,
    /// How long it ran.
    pub took: Duration,
}

/// The cargo that runs xtask, so that nested calls use the same one.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace_root());
    command
}

/// Runs a command with this terminal for its complaints, and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or ends with failure.
pub fn capture(command: &mut Command) -> Result<String, CommandError> {
    let typed = report::typed(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.map_err(|source| CommandError::Start {
        command: typed.clone(),
        source,
    })?;
    let status = output.status;
    if !status.success() {
        let command = typed;
        return Err(CommandError::Failed { command, status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prints a command and runs it with this terminal as its output.
///
/// # Errors
/// When it cannot be started or ends with failure.
pub fn run(command: &mut Command) -> Result<(), CommandError> {
    report::command(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| start(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(CommandError::Failed {
        command: report::typed(command),
        status,
    })
}

/// Runs a command without input and hands every line to `on`; ends it after `limit`.
///
/// # Errors
/// When it cannot be started; its exit status is in the result.
pub fn follow(
    command: &mut Command,
    limit: Duration,
    mut on: impl FnMut(Event<'_>),
) -> Result<Ended, CommandError> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| start(command, source))?;
    let (sender, lines) = mpsc::channel();
    read_lines(child.stdout.take(), Line::Output, sender.clone());
    read_lines(child.stderr.take(), Line::Complaint, sender);
    let mut ended: Option<Instant> = None;
    let mut timed_out = false;
    loop {
        match lines.recv_timeout(TICK) {
            Ok(Line::Output(text)) => on(Event::Output(&text)),
            Ok(Line::Complaint(text)) => on(Event::Complaint(&text)),
            Err(RecvTimeoutError::Timeout) => on(Event::Tick),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if ended.is_none() && has_ended(&mut child) {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|at| at.elapsed() > LINGER) {
            break;
        }
        if ended.is_none() && !timed_out && started.elapsed() > limit {
            timed_out = child.kill().is_ok();
        }
    }
    let status = child.wait().map_err(|source| start(command, source))?;
    Ok(Ended {
        status,
        timed_out,
        took: started.elapsed(),
    })
}

enum Line {
    Output(String),
    Complaint(String),
}

fn read_lines(
    pipe: Option<impl Read + Send + 'static>,
    wrap: impl Fn(String) -> Line + Send + 'static,
    sender: Sender<Line>,
) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(wrap(text)).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

fn has_ended(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)))
}

fn start(command: &Command, source: std::io::Error) -> CommandError {
    CommandError::Start {
        command: report::typed(command),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_and_the_status_of_a_program_arrive() {
        let mut seen = Vec::new();
        let ended = follow(
            &mut shell("echo out; echo err >&2; exit 3"),
            Duration::from_secs(20),
            |event| match event {
                Event::Output(text) => seen.push(format!("1:{text}")),
                Event::Complaint(text) => seen.push(format!("2:{text}")),
                Event::Tick => {}
            },
        )
        .expect("start sh");
        seen.sort();
        assert_eq!(seen, ["1:out", "2:err"]);
        assert_eq!(ended.status.code(), Some(3));
        assert!(!ended.timed_out);
    }

    #[test]
    fn a_program_over_its_time_is_ended() {
        let ended = follow(
            &mut shell("exec sleep 60"),
            Duration::from_millis(300),
            |_| {},
        )
        .expect("start sh");
        assert!(ended.timed_out);
        assert!(ended.took < Duration::from_secs(30));
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_open_does_not_hold_us_up() {
        let ended = follow(
            &mut shell("sleep 20 & echo done"),
            Duration::from_mins(1),
            |_| {},
        )
        .expect("start sh");
        assert!(ended.status.success());
        assert!(ended.took < Duration::from_secs(10));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).expect_err("must not start");
        assert!(
            error.to_string().contains("no-such-program-here"),
            "{error}"
        );
    }
}
