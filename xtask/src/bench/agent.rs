//! The agent as a process in a node, and what it costs by `/proc`.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::row::Row;
use super::{Bench, BenchError, NODES};
use crate::lab::ChildGuard;
use crate::traffic::Stop;

/// A running agent; ended when dropped.
pub(super) struct Agent {
    child: ChildGuard,
    /// What it prints.
    pub(super) log: PathBuf,
    node: &'static str,
}

/// Network of all pods of the lab.
const CLUSTER: &str = "10.42.0.0/16";
/// How long the agent is left alone before its cost is watched.
const SETTLE: Duration = Duration::from_secs(2);

impl Agent {
    /// Starts the agent in a node.
    pub(super) fn start(
        bench: &Bench,
        node: &'static str,
        arguments: &[&str],
    ) -> Result<Self, BenchError> {
        let program = bench.binaries.observer.to_string_lossy();
        let mut argv = vec![program.as_ref(), "run", "--node", node];
        argv.extend(["--cluster-cidr", CLUSTER]);
        argv.extend(arguments);
        let log = bench.lab.directory().join(format!("observer-{node}.log"));
        Ok(Self {
            child: bench.lab.spawn(node, &argv, &log)?,
            log,
            node,
        })
    }

    /// Ends it in order; it must not have failed.
    pub(super) fn end(self) -> Result<(), BenchError> {
        let status = self.child.end()?;
        if status.success() {
            return Ok(());
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Err(BenchError::Unexpected {
            action: format!("end the agent in {}", self.node),
            found: format!("{status}: {}", log.lines().last().unwrap_or("nothing said")),
            expected: "success".to_owned(),
        })
    }

    /// Processor time so far, of all threads.
    pub(super) fn busy(&self) -> Result<Duration, BenchError> {
        let folder = format!("/proc/{}/task", self.child.pid());
        let failed = || BenchError::io(format!("read {folder}/*/schedstat"));
        let mut sum = 0;
        for thread in fs::read_dir(&folder).map_err(failed())? {
            let path = thread.map_err(failed())?.path().join("schedstat");
            let text = fs::read_to_string(path).map_err(failed())?;
            let nanos = text.split_whitespace().next();
            sum += nanos.and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(sum))
    }

    /// A size in `/proc/PID/status`, bytes.
    pub(super) fn bytes(&self, field: &str) -> Result<f64, BenchError> {
        let path = format!("/proc/{}/status", self.child.pid());
        let text = fs::read_to_string(&path).map_err(BenchError::io(format!("read {path}")))?;
        let kibibytes = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok());
        Ok(f64::from(kibibytes.unwrap_or(0)) * 1024.0)
    }
}

/// Memory and processor time of one agent with its default settings, under ping-pong.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let [node, _] = NODES;
    let agent = Agent::start(bench, node, &["--format", "none"])?;
    thread::sleep(SETTLE);
    let (begun, busy) = (Instant::now(), agent.busy()?);
    bench.trickle(bench.effort.watch, &Stop::default())?;
    let spent = agent.busy()?.saturating_sub(busy).as_secs_f64();
    let share = 100.0 * spent / begun.elapsed().as_secs_f64();
    let (resident, peak) = (agent.bytes("VmRSS")? / 1e6, agent.bytes("VmHWM")? / 1e6);
    agent.end()?;
    let against = format!(
        "{} of ping-pong",
        crate::report::seconds(bench.effort.watch)
    );
    Ok(vec![
        Row::of("agent_cpu", "% of a core", &against, &[share]),
        Row::of("agent_rss", "MB", &against, &[resident]),
        Row::of("agent_rss_peak", "MB", &against, &[peak])
            .noted("maps in the kernel are not in it"),
    ])
}
