//! The example as a process of its own, built first so that it is never stale.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A sink that is asked to end and has not ended after this time is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder for the files of one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(purpose: &str) -> Self {
        let name = format!("otlp-sink-{}-{purpose}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("a file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("remove the folder");
    }
}

/// A sink that listens; it ends with the test if it was not asked before.
pub(crate) struct Sink {
    child: Child,
    words: BufReader<ChildStderr>,
    pub(crate) endpoint: String,
}

impl Sink {
    /// Starts it at a free port and waits until it listens.
    pub(crate) fn start(spans: &Path, metrics: &Path) -> Self {
        let mut command = command("127.0.0.1:0", spans, metrics);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("start");
        let mut words = BufReader::new(child.stderr.take().expect("its standard error"));
        let mut line = String::new();
        words.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("otlp_sink: listening on ");
        let endpoint = address.map(|address| format!("http://{address}"));
        Self {
            child,
            words,
            endpoint: endpoint.unwrap_or_else(|| panic!("not listening: {line}")),
        }
    }

    /// Sends SIGTERM, which one that has ended by itself does not see; whether it ended well, and
    /// its last words.
    pub(crate) fn terminate(mut self) -> (bool, String) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM).expect("signal");
        let (ended, end) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                kill_process(id, Signal::KILL).expect("kill");
            }
        });
        let mut words = String::new();
        self.words.read_to_string(&mut words).expect("last words");
        drop(ended);
        watch.join().expect("the watch ends well");
        let status = self.child.wait().expect("its end");
        (status.success(), words)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let gone = self.child.kill().and_then(|()| self.child.wait());
        assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
    }
}

/// What a sink says that cannot start; it says nothing else.
pub(crate) fn refusal(listen: &str, spans: &Path, metrics: &Path) -> String {
    let mut command = command(listen, spans, metrics);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("start");
    let mut line = String::new();
    let words = child.stderr.take().expect("its standard error");
    BufReader::new(words).read_line(&mut line).expect("a line");
    if !line.starts_with("error: ") {
        child.kill().expect("kill");
    }
    let status = child.wait().expect("its end");
    assert_eq!(status.code(), Some(1), "{line}");
    line
}

fn command(listen: &str, spans: &Path, metrics: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["--listen", listen]);
    command.arg("--spans").arg(spans);
    command.arg("--metrics").arg(metrics);
    command
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let observer = Path::new(env!("CARGO_BIN_EXE_observer"));
        let folder = observer.parent().expect("a binary lies in a folder");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--locked", "--package", "observer"]);
        cargo.args(["--example", "otlp_sink"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.status().expect("cargo starts");
        assert!(built.success(), "build the example: {built}");
        folder.join("examples/otlp_sink")
    })
}
