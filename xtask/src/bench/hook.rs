//! The helper process in a node: hangs programs on a device, tells what hangs on all of them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde::Deserialize;

use super::devices::DEVICES;
use super::{Bench, BenchError};

/// The helper; it ends, and its programs with it, when this is dropped.
pub(super) struct Hook {
    node: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What the helper answers to every command.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    /// `DEVICE in|out PROGRAM` for each program on a hook.
    pub(super) hooks: Vec<String>,
    /// Buffers counted at the underlay so far.
    pub(super) underlay: u64,
    /// Buffers counted at the bridge so far.
    pub(super) bridge: u64,
}

impl Hook {
    /// Starts the helper in a node.
    pub(super) fn start(bench: &Bench, node: &'static str) -> Result<Self, BenchError> {
        let program = bench.binaries.hook.to_string_lossy();
        let [first, second] = bench.pods.each_ref().map(|pod| pod.address.to_string());
        let mut argv = vec![program.as_ref(), "--pods", &first, &second, "--devices"];
        argv.extend(DEVICES);
        for peer in &bench.against {
            argv.extend(["--against", &peer.text]);
        }
        let failed = || BenchError::io(format!("start the hook helper in {node}"));
        let mut child = bench
            .lab
            .command(node, &argv)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        let input = child.stdin.take();
        let missing = || failed()(std::io::ErrorKind::BrokenPipe.into());
        let output = child.stdout.take().ok_or_else(missing)?;
        Ok(Self {
            node,
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Gives a command and waits for its answer.
    pub(super) fn tell(&mut self, command: &str) -> Result<Answer, BenchError> {
        let action = format!("tell the hook helper in {} `{command}`", self.node);
        let mut line = String::new();
        let told = match &mut self.input {
            Some(input) => writeln!(input, "{command}").and_then(|()| input.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        told.and_then(|()| self.output.read_line(&mut line))
            .and_then(|_| serde_json::from_str(&line).map_err(Into::into))
            .map_err(BenchError::io(action))
    }

    /// Gives a command after which exactly `expected` must hang on the node's devices.
    pub(super) fn tell_and_check(
        &mut self,
        command: &str,
        expected: &[String],
    ) -> Result<Answer, BenchError> {
        let answer = self.tell(command)?;
        if answer.hooks == expected {
            return Ok(answer);
        }
        Err(BenchError::Unexpected {
            action: format!("list the programs in {} after `{command}`", self.node),
            found: shown(&answer.hooks),
            expected: shown(expected),
        })
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        if let Err(cause) = self.child.wait() {
            eprintln!("wait for the hook helper in {}: {cause}", self.node);
        }
    }
}

/// A list as text.
pub(super) fn shown(hooks: &[String]) -> String {
    if hooks.is_empty() {
        return "nothing".to_owned();
    }
    hooks.join(", ")
}
