//! Doing things inside a named network namespace. The calling thread never changes its own
//! namespace: work runs on a thread of its own, tools are told by `ip -n` or `ip netns exec`.

use std::fs::{self, File};
use std::io::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::error::LabError;

/// Where `ip netns` keeps its handles.
const HANDLES: &str = "/run/netns";

/// The handle of a namespace.
pub(crate) fn handle(netns: &str) -> PathBuf {
    Path::new(HANDLES).join(netns)
}

/// Whether the namespace has a handle.
#[must_use]
pub fn exists(netns: &str) -> bool {
    handle(netns).exists()
}

/// Runs `work` on a thread inside the namespace and waits for it.
///
/// # Panics
/// Only if `work` panics: the panic is passed on.
pub fn within<T: Send>(netns: &str, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    let action = || format!("enter namespace {netns}");
    let file = File::open(handle(netns)).map_err(|cause| LabError::io(action(), cause))?;
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        });
        match thread.join() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(errno)) => {
                let errno: nix::errno::Errno = errno;
                Err(LabError::io(action(), errno.into()))
            }
            Err(panic) => resume_unwind(panic),
        }
    })
}

/// A command that will run inside the namespace, with a matching `/sys` (see `ip-netns(8)`).
#[must_use]
pub fn command(netns: &str, argv: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", netns]).args(argv);
    command
}

/// Writes a sysctl of the namespace; the key has dots.
pub(crate) fn write_sysctl(netns: &str, key: &str, value: &str) -> Result<(), LabError> {
    let path = Path::new("/proc/sys").join(key.replace('.', "/"));
    within(netns, || fs::write(path, value))?
        .map_err(|cause| LabError::io(format!("set {key}={value} in {netns}"), cause))
}

/// The batch-capable tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `ip -batch -`
    Ip,
    /// `ip -6 -batch -`
    Ip6,
    /// `ip -force -batch -`, which goes on after a refused line.
    IpForce,
    /// `bridge -batch -`
    Bridge,
    /// `nft -f -`
    Nft,
}

/// Feeds lines to a tool in a namespace (`None`: where we are) and names the line that failed.
pub(crate) fn batch(tool: Tool, netns: Option<&str>, lines: &[&str]) -> Result<(), LabError> {
    let (name, options): (&str, &[&str]) = match tool {
        Tool::Ip => ("ip", &["-batch", "-"]),
        Tool::Ip6 => ("ip", &["-6", "-batch", "-"]),
        Tool::IpForce => ("ip", &["-force", "-batch", "-"]),
        Tool::Bridge => ("bridge", &["-batch", "-"]),
        Tool::Nft => ("nft", &["-f", "-"]),
    };
    let mut command = match (tool, netns) {
        (Tool::Nft, Some(netns)) => self::command(netns, &["nft", "-f", "-"]),
        (Tool::Nft, None) | (Tool::Ip | Tool::Ip6 | Tool::IpForce | Tool::Bridge, _) => {
            let mut command = Command::new(name);
            command.args(netns.map_or(Vec::new(), |netns| vec!["-n", netns]));
            command.args(options);
            command
        }
    };
    let shown = if tool == Tool::Ip6 { "ip -6" } else { name };
    let stderr = feed(&mut command, &lines.join("\n"), shown)?;
    let Some(stderr) = stderr else { return Ok(()) };
    Err(LabError::Command {
        command: format!(
            "{shown} {}",
            refused_line(&stderr, lines).unwrap_or("(batch)")
        ),
        netns: netns.unwrap_or("the caller's namespace").to_owned(),
        stderr: stderr.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

/// Runs the command with `input` on its standard input; the error text if it failed.
fn feed(command: &mut Command, input: &str, shown: &str) -> Result<Option<String>, LabError> {
    let failed = |cause| LabError::io(format!("run {shown} (iproute2, nftables)"), cause);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that stops at a bad line closes its input; its exit status tells the story.
        stdin
            .write_all(format!("{input}\n").as_bytes())
            .or_else(|cause| {
                if cause.kind() == std::io::ErrorKind::BrokenPipe {
                    Ok(())
                } else {
                    Err(failed(cause))
                }
            })?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    let text = || String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((!output.status.success()).then(text))
}

/// The batch line named by `Command failed -:N`.
fn refused_line<'a>(stderr: &str, lines: &[&'a str]) -> Option<&'a str> {
    let (_, number) = stderr.rsplit_once("Command failed -:")?;
    let number: usize = number.split_whitespace().next()?.parse().ok()?;
    lines.get(number.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::refused_line;

    #[test]
    fn refused_batch_line_is_named() {
        let stderr = "RTNETLINK answers: File exists\nCommand failed -:2\n";
        assert_eq!(
            refused_line(stderr, &["link add a", "link add b"]),
            Some("link add b")
        );
    }

    #[test]
    fn other_error_text_names_no_line() {
        assert_eq!(refused_line("Object \"x\" is unknown\n", &["x"]), None);
    }
}
