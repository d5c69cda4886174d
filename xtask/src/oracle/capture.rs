//! tcpdump on demand: the packets of one device of a namespace, in a file. It shows what the packet
//! socket sees: sent packets after segmentation, so that it is no count of what the kernel handled.

mod said;

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use super::{OracleError, words};
use crate::lab::netns;

/// What to capture.
#[derive(Debug, Clone)]
pub struct Tap<'a> {
    /// Namespace of the device.
    pub netns: &'a str,
    /// The device; `any` for all of the namespace.
    pub device: &'a str,
    /// tcpdump's expression, such as `udp port 8472`; empty for all packets.
    pub filter: &'a str,
    /// Bytes of each packet that are kept.
    pub snap_length: u32,
    /// After so many packets it ends by itself; none for as many as there are.
    pub most: Option<u32>,
}

/// A tcpdump that runs; ended in order when dropped.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    stderr: ChildStderr,
    said: String,
    command: String,
    ended: bool,
}

/// How many packets there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Captured {
    /// Packets in the file.
    pub packets: u64,
    /// Packets that the kernel had no room for: more than 0 makes the file useless as a count.
    pub dropped: u64,
}

/// How long tcpdump may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// What it needs before it is asked to end, or the last second of packets is missing.
const SETTLE: Duration = Duration::from_millis(1200);

impl<'a> Tap<'a> {
    /// Whole packets of a device.
    #[must_use]
    pub fn new(netns: &'a str, device: &'a str) -> Self {
        Self {
            netns,
            device,
            filter: "",
            snap_length: 262_144,
            most: None,
        }
    }

    /// Captures into `file` from now on: a packet sent after this has returned is in it.
    pub fn start(&self, file: &Path) -> Result<Capture, OracleError> {
        let argv = self.argv(file);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let mut command = netns::command(self.netns, &argv);
        // Ctrl-C at the terminal goes to the owner, who ends the capture in order.
        command.process_group(0);
        Capture::begin(command)
    }

    /// The tcpdump that captures into `file`, for whoever starts and ends it.
    #[must_use]
    pub fn argv(&self, file: &Path) -> Vec<String> {
        let mut argv = ["tcpdump", "-n", "-i", self.device]
            .map(str::to_owned)
            .to_vec();
        argv.extend(["-s".to_owned(), self.snap_length.to_string()]);
        argv.extend(["--immediate-mode", "--time-stamp-precision=nano"].map(str::to_owned));
        // Debian's tcpdump would write as a user of its own, who may not write there.
        argv.extend(["-Z", "root", "-w"].map(str::to_owned));
        argv.push(file.to_string_lossy().into_owned());
        if let Some(most) = self.most {
            argv.extend(["-c".to_owned(), most.to_string()]);
        }
        argv.extend(self.filter.split_whitespace().map(str::to_owned));
        argv
    }
}

/// Whether tcpdump can be started here.
#[must_use]
pub fn is_possible() -> bool {
    let mut command = Command::new("tcpdump");
    command.arg("--version").stdin(Stdio::null());
    command.output().is_ok()
}

impl Capture {
    fn begin(mut command: Command) -> Result<Self, OracleError> {
        let shown = words(&command);
        let failed = |source| OracleError::Start {
            command: shown.clone(),
            source,
        };
        if !is_possible() {
            return Err(OracleError::NoTcpdump { command: shown });
        }
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = quiet.stderr(Stdio::piped()).spawn().map_err(failed)?;
        let stderr = child.stderr.take();
        let stderr = stderr.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let mut capture = Self {
            child,
            stderr,
            said: String::new(),
            command: shown.clone(),
            ended: false,
        };
        if capture.listen(said::has_begun).map_err(failed)? {
            return Ok(capture);
        }
        // Nothing is in the file yet that is worth waiting for.
        capture.ended = true;
        capture
            .child
            .kill()
            .and_then(|()| capture.child.wait())
            .map_err(failed)?;
        Err(OracleError::Refused {
            command: shown,
            stderr: capture.said.trim().to_owned(),
        })
    }

    /// Process id of tcpdump, for whoever keeps a record of what has to be ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it 1.2 s from now, so that what was sent until now is in the file.
    pub fn end(mut self) -> Result<Captured, OracleError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<Captured, OracleError> {
        self.ended = true;
        thread::sleep(SETTLE);
        let command = self.command.clone();
        let failed = |source| OracleError::Start { command, source };
        self.finish().map_err(failed)?;
        said::summary(&self.said).ok_or_else(|| OracleError::Refused {
            command: self.command.clone(),
            stderr: self.said.trim().to_owned(),
        })
    }

    /// Asks it to end, hears its last words and takes its exit state; insists if it does not end.
    fn finish(&mut self) -> io::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).map_err(io::Error::other)?);
        // It may have ended by itself, with its device: it is not reaped yet, so the pid is its own.
        kill(pid, Signal::SIGINT)?;
        self.listen(|_| false)?;
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    /// Takes what it says until that is enough (true), or it has ended or run out of time (false).
    fn listen(&mut self, is_enough: impl Fn(&str) -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        let mut part = [0; 1024];
        while !is_enough(&self.said) {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut watched = [PollFd::new(self.stderr.as_fd(), PollFlags::POLLIN)];
            match poll(&mut watched, left) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            match self.stderr.read(&mut part)? {
                0 => return Ok(false),
                length => self
                    .said
                    .push_str(&String::from_utf8_lossy(&part[..length])),
            }
        }
        Ok(true)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Err(cause) = self.stop() {
            eprintln!("end a capture: {cause}");
        }
    }
}
