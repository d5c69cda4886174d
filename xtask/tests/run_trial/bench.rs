//! What the tests of the trial run share: starting it, waiting for it, and the search for leftovers.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::lab::{Identity, Lab, Options, ROOT, netns};
use xtask::{root, skip};

/// How long a trial may take that has to build the observer first.
const PATIENCE: Duration = Duration::from_mins(10);

/// Whether a lab can be built here; reports the skip if not.
pub(crate) fn possible(test: &str) -> bool {
    let missing = if !root::is_root() {
        "not root"
    } else if !Path::new("/dev/net/tun").exists() {
        "no /dev/net/tun"
    } else {
        return true;
    };
    skip::skip(test, missing);
    false
}

/// A name that no other trial of this or another run has.
pub(crate) fn name(purpose: &str) -> String {
    format!("t{}-{purpose}", std::process::id())
}

/// The same options, with the program that the lab's own processes are.
pub(crate) fn with_program(options: Options) -> Options {
    Options {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_xtask"))),
        ..options
    }
}

/// A trial that runs.
pub(crate) struct Trial {
    pub(crate) name: String,
    child: Child,
    output: JoinHandle<String>,
    complaints: BufReader<ChildStderr>,
    read: String,
}

/// A trial that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) complaints: String,
}

impl Trial {
    /// Starts `cargo xtask run` with these arguments.
    pub(crate) fn start(purpose: &str, arguments: &[&str]) -> Self {
        Self::of(
            Command::new(env!("CARGO_BIN_EXE_xtask")),
            purpose,
            arguments,
        )
    }

    /// The same inside a network namespace.
    pub(crate) fn within(netns: &str, purpose: &str, arguments: &[&str]) -> Self {
        let command = netns::command(netns, &[env!("CARGO_BIN_EXE_xtask")]);
        Self::of(command, purpose, arguments)
    }

    fn of(mut command: Command, purpose: &str, arguments: &[&str]) -> Self {
        let name = name(purpose);
        let mut child = command
            .args(["run", "--name", &name])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start xtask");
        let output = child.stdout.take().expect("its output");
        let complaints = BufReader::new(child.stderr.take().expect("its complaints"));
        Self {
            name,
            child,
            output: thread::spawn(move || whole(output)),
            complaints,
            read: String::new(),
        }
    }

    /// Reads standard error up to a line with this text.
    pub(crate) fn await_complaint(&mut self, text: &str) {
        loop {
            let before = self.read.len();
            let length = self
                .complaints
                .read_line(&mut self.read)
                .expect("its complaints");
            assert_ne!(length, 0, "it ended before `{text}`: {}", self.read);
            if self.read[before..].contains(text) {
                return;
            }
        }
    }

    /// As Ctrl-C does, without the rest of a terminal's process group.
    pub(crate) fn interrupt(&self) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("signal it");
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Ended {
        self.wait_at_most(PATIENCE)
    }

    /// Waits for its end, and ends it after `patience`.
    pub(crate) fn wait_at_most(mut self, patience: Duration) -> Ended {
        let mut complaints = self.complaints;
        let rest = thread::spawn(move || {
            let mut text = String::new();
            complaints
                .read_to_string(&mut text)
                .expect("its complaints");
            text
        });
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its end") {
                break status;
            }
            if begun.elapsed() > patience {
                self.child.kill().expect("kill it");
                self.child.wait().expect("reap it");
                panic!("no end within {patience:?}: {}", self.read);
            }
            thread::sleep(Duration::from_millis(20));
        };
        Ended {
            code: status.code(),
            output: self.output.join().expect("its output"),
            complaints: self.read + &rest.join().expect("its complaints"),
        }
    }
}

fn whole(mut output: ChildStdout) -> String {
    let mut text = String::new();
    output.read_to_string(&mut text).expect("its output");
    text
}

/// Every process of the labs of a trial that is up.
pub(crate) fn processes_of(name: &str) -> Vec<Identity> {
    let labs =
        ["s1", "h2", "h2c"].map(|scenario| Lab::open(&format!("{name}-{scenario}")).expect("open"));
    let processes = labs.iter().flat_map(|lab| lab.status().processes);
    processes.map(|process| process.process).collect()
}

/// No namespace, process or state of the labs of a trial is there any more.
pub(crate) fn assert_nothing_left(name: &str) {
    for folder in [Path::new("/run/netns"), Path::new(ROOT)] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<String> = names.filter(|entry| entry.contains(name)).collect();
        assert!(left.is_empty(), "in {}: {left:?}", folder.display());
    }
    // Observers and tunnels have the lab's name in their arguments or their namespace's.
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let own = std::process::id().to_string();
    let commands = processes.filter(|entry| entry.file_name().to_string_lossy() != own);
    let commands = commands.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let left: Vec<String> = commands
        .map(|command| String::from_utf8_lossy(&command).replace('\0', " "))
        .filter(|command| command.contains(&format!("{ROOT}/{name}")))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
