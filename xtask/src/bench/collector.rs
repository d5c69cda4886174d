//! The OTLP receiver as a process in a node, and what it says has arrived.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Bench, BenchError};

/// The receiver; it ends when this is dropped.
pub(super) struct Collector {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where it listens.
    pub(super) endpoint: String,
}

/// What has arrived so far.
#[derive(Debug, Deserialize)]
pub(super) struct Arrived {
    /// Traces: one per sampled round trip.
    pub(super) traces: u32,
    /// The agent's ledger in every export of metrics, oldest first.
    pub(super) ledgers: Vec<Ledger>,
}

/// The counters of one export.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ledger {
    /// When they were read, nanoseconds of Unix time.
    time: u64,
    counters: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Greeting {
    endpoint: String,
}

impl Collector {
    /// Starts it in a node.
    pub(super) fn start(bench: &Bench, node: &str) -> Result<Self, BenchError> {
        let program = bench.binaries.collector.to_string_lossy();
        let failed = || BenchError::io(format!("start the receiver of telemetry in {node}"));
        let mut child = bench
            .lab
            .command(node, &[program.as_ref()])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        let input = child.stdin.take();
        let missing = || failed()(std::io::ErrorKind::BrokenPipe.into());
        let output = child.stdout.take().ok_or_else(missing)?;
        let mut collector = Self {
            child,
            input,
            output: BufReader::new(output),
            endpoint: String::new(),
        };
        let greeting: Greeting = collector.read()?;
        collector.endpoint = greeting.endpoint;
        Ok(collector)
    }

    /// Asks what has arrived.
    pub(super) fn ask(&mut self) -> Result<Arrived, BenchError> {
        let asked = match &mut self.input {
            Some(input) => writeln!(input).and_then(|()| input.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        asked.map_err(BenchError::io("ask the receiver of telemetry"))?;
        self.read()
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T, BenchError> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        read.and_then(|_| serde_json::from_str(&line).map_err(Into::into))
            .map_err(BenchError::io("read what the receiver of telemetry says"))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Err(cause) = self.child.wait() {
            eprintln!("end the receiver of telemetry: {cause}");
        }
    }
}

impl Ledger {
    /// A counter; 0 if it was not sent.
    pub(super) fn get(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Growth of a counter per second since an earlier export.
    pub(super) fn rate(&self, earlier: &Self, name: &str) -> f64 {
        let count = self.get(name).saturating_sub(earlier.get(name));
        let nanos = self.time.saturating_sub(earlier.time).max(1);
        to_f64(count) * 1e9 / to_f64(nanos)
    }
}

/// Counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52, or nanoseconds")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn rate_is_growth_by_the_exports_own_time() {
        let ledger = |time, frames| Ledger {
            time,
            counters: [("frames".to_owned(), frames)].into(),
        };
        let (before, after) = (ledger(1_000_000_000, 500), ledger(3_000_000_000, 1_500));
        assert!((after.rate(&before, "frames") - 500.0).abs() < 1e-9);
        assert!(after.rate(&before, "other").abs() < 1e-9);
    }
}
