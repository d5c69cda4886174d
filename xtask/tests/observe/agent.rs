//! One agent process: started in a namespace, its lines read as they come, ended by a signal.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::lab::netns;

use super::output::{Line, Span, Sweep};
use super::program::observer;

/// Time between two sweeps of agents under test.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Names another patience with agents, in seconds, for machines that are slow by nature.
const PATIENCE_VARIABLE: &str = "NETPATH_PATIENCE";
/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// A running agent; killed when dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    node: String,
    child: Child,
    printed: Arc<Mutex<Printed>>,
    readers: Vec<JoinHandle<()>>,
}

/// What an agent has printed so far.
#[derive(Debug, Default, Clone)]
struct Printed {
    sweeps: Vec<Sweep>,
    open: Sweep,
    spans: Vec<Span>,
    errors: String,
}

/// An agent that has ended, and everything that it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) node: String,
    pub(crate) status: ExitStatus,
    pub(crate) sweeps: Vec<Sweep>,
    pub(crate) spans: Vec<Span>,
    pub(crate) errors: String,
}

impl Agent {
    /// Starts one that prints JSON lines, at every [`INTERVAL`] if the arguments say nothing else.
    pub(crate) fn start(netns: &str, node: &str, arguments: &[&str]) -> Self {
        Self::start_by(&[], (netns, node), arguments)
    }

    /// Starts one through another program, which takes it as its arguments.
    pub(crate) fn start_by(
        through: &[&str],
        (netns, node): (&str, &str),
        arguments: &[&str],
    ) -> Self {
        let interval = format!("{}ms", INTERVAL.as_millis());
        let default = ["--interval", &interval];
        let is_given = arguments.contains(&default[0]);
        let program = observer().to_str().expect("a path in UTF-8");
        let mut argv = through.to_vec();
        argv.extend([program, "run", "--format", "json", "--node", node]);
        argv.extend(default.into_iter().filter(|_| !is_given));
        argv.extend(arguments);
        let mut command = netns::command(netns, &argv);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("agent");
        let printed = Arc::new(Mutex::new(Printed::default()));
        let lines = child.stdout.take().expect("its output");
        let errors = child.stderr.take().expect("its errors");
        let readers = vec![
            thread::spawn({
                let printed = Arc::clone(&printed);
                move || read_lines(lines, &printed)
            }),
            thread::spawn({
                let printed = Arc::clone(&printed);
                move || read_errors(errors, &printed)
            }),
        ];
        Self {
            node: node.to_owned(),
            child,
            printed,
            readers,
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The name of its node.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Waits for its first sweep: whatever can be attached is attached by then. No device of a lab
    /// may be a blind spot.
    pub(crate) fn await_attached(&self) {
        let first = self.await_sweep("a first one", |_| true);
        assert_eq!(first.ledger.get("not_attached"), 0, "{}", self.describe());
    }

    /// Waits for a sweep for which `is_it` holds.
    pub(crate) fn await_sweep(&self, what: &str, mut is_it: impl FnMut(&Sweep) -> bool) -> Sweep {
        let deadline = Instant::now() + patience();
        let mut looked_at = 0;
        loop {
            let new: Vec<Sweep> = self.printed().sweeps[looked_at..].to_vec();
            looked_at += new.len();
            if let Some(found) = new.into_iter().find(&mut is_it) {
                return found;
            }
            let in_time = Instant::now() < deadline;
            assert!(
                in_time,
                "{}: no sweep shows {what}: {}",
                self.node,
                self.describe()
            );
            thread::sleep(POLL);
        }
    }

    /// Waits for the line of a pair, and sends one packet more at every sweep without it: a pair has a
    /// line once a packet has passed after the pair got its name.
    pub(crate) fn await_path(&self, [from, to]: [IpAddr; 2], send: impl Fn()) {
        self.await_sweep("the pair", |sweep| {
            let is_named = sweep.path(from, to).is_some();
            if !is_named {
                send();
            }
            is_named
        });
    }

    /// Waits for a sweep that began after this call.
    pub(crate) fn next_sweep(&self) -> Sweep {
        let mut to_come = self.printed().sweeps.len() + 2;
        self.await_sweep("a new one", |_| {
            to_come -= 1;
            to_come == 0
        })
    }

    /// All sweeps so far.
    pub(crate) fn sweeps(&self) -> Vec<Sweep> {
        self.printed().sweeps.clone()
    }

    /// Everything that it said on standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.printed().errors.clone()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Sends it a signal that does not end it.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a pid"));
        kill(pid, signal).expect("signal");
    }

    /// Ends it with SIGTERM; its last sweep holds everything that it has seen.
    pub(crate) fn end(self) -> Ended {
        self.end_by(Signal::SIGTERM)
    }

    /// Ends it with a signal and waits until it is gone.
    pub(crate) fn end_by(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.await_end()
    }

    /// Waits until it has ended.
    pub(crate) fn await_end(mut self) -> Ended {
        let deadline = Instant::now() + patience();
        while self.is_alive() {
            assert!(Instant::now() < deadline, "{} does not end", self.node);
            thread::sleep(POLL);
        }
        let status = self.child.wait().expect("its end");
        for reader in self.readers.drain(..) {
            reader.join().expect("its lines are as documented");
        }
        let mut printed = self.printed().clone();
        // The last line of all is the ledger once more, after everything was sent.
        if status.signal().is_none()
            && let Some(last) = printed.sweeps.pop()
            && let Some(sweep) = printed.sweeps.last_mut()
        {
            sweep.ledger = last.ledger;
        }
        Ended {
            node: self.node.clone(),
            status,
            sweeps: printed.sweeps,
            spans: printed.spans,
            errors: printed.errors,
        }
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self) -> String {
        let printed = self.printed();
        let count = printed.sweeps.len();
        format!(
            "{count} sweeps, the last: {:#?}\n{}",
            printed.sweeps.last(),
            printed.errors
        )
    }
}

impl Ended {
    /// The last sweep.
    pub(crate) fn last(&self) -> &Sweep {
        self.sweeps.last().expect("a sweep at the end")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Err(cause) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("end the agent of {}: {cause}", self.node);
        }
    }
}

/// How long an agent may take to say or do something.
pub(crate) fn patience() -> Duration {
    let Ok(text) = env::var(PATIENCE_VARIABLE) else {
        return PATIENCE;
    };
    let seconds = text.parse().expect("a number of seconds");
    Duration::from_secs(seconds)
}

fn read_lines(from: impl Read, into: &Mutex<Printed>) {
    for line in BufReader::new(from).lines() {
        let line = line.expect("text");
        let read = serde_json::from_str(&line);
        let read = read.unwrap_or_else(|cause| panic!("{cause} in `{line}`"));
        let mut printed = into.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Line::Path(path) => printed.open.paths.push(path),
            Line::Finding(finding) => printed.open.findings.push(finding),
            Line::Wire(wire) => printed.open.wires.push(wire),
            Line::Span(span) => printed.spans.push(span),
            Line::Ledger(ledger) => {
                let paths = std::mem::take(&mut printed.open);
                printed.sweeps.push(Sweep { ledger, ..paths });
            }
        }
    }
}

fn read_errors(from: impl Read, into: &Mutex<Printed>) {
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        let mut printed = into.lock().unwrap_or_else(PoisonError::into_inner);
        printed.errors.push_str(&line);
        printed.errors.push('\n');
    }
}
