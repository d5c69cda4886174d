//! The agent as a process in a node, and what it costs by `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aya::maps::MapInfo;

use super::row::Row;
use super::{Bench, BenchError, NODES};
use crate::lab::ChildGuard;

/// A running agent; ended when dropped.
pub(super) struct Agent {
    child: ChildGuard,
    /// What it prints.
    pub(super) log: PathBuf,
    node: &'static str,
}

/// Network of all pods of the lab.
const CLUSTER: &str = "10.42.0.0/16";
pub(super) const MIB: f64 = 1_048_576.0;
const KIB: f64 = 1_024.0;
/// How long the agent is left alone before its cost is watched: longer than its start and first sweep.
const SETTLE: Duration = Duration::from_secs(5);

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

    /// How often its threads have gone to sleep so far, and so were woken.
    pub(super) fn wakeups(&self) -> Result<f64, BenchError> {
        let folder = format!("/proc/{}/task", self.child.pid());
        let failed = || BenchError::io(format!("read {folder}/*/status"));
        let mut sum = 0.0;
        for thread in fs::read_dir(&folder).map_err(failed())? {
            let path = thread.map_err(failed())?.path().join("status");
            let text = fs::read_to_string(path).map_err(failed())?;
            sum += f64::from(field(&text, "voluntary_ctxt_switches:").unwrap_or(0));
        }
        Ok(sum)
    }

    /// Kernel memory of each of its maps and of each of its programs, bytes by identifier, as the kernel
    /// says of its descriptors.
    fn kernel_memory(&self) -> Result<[BTreeMap<u32, f64>; 2], BenchError> {
        let folder = format!("/proc/{}/fdinfo", self.child.pid());
        let failed = || BenchError::io(format!("read {folder}/*"));
        let mut sums = ["map_id:", "prog_id:"].map(|kind| (kind, BTreeMap::new()));
        for file in fs::read_dir(&folder).map_err(failed())? {
            // A descriptor may be closed by now.
            let text = fs::read_to_string(file.map_err(failed())?.path()).unwrap_or_default();
            for (kind, sizes) in &mut sums {
                if let (Some(id), Some(size)) = (field(&text, kind), field(&text, "memlock:")) {
                    sizes.insert(id, f64::from(size));
                }
            }
        }
        Ok(sums.map(|(_, sizes)| sizes))
    }

    /// A size in `/proc/PID/status`, bytes.
    pub(super) fn bytes(&self, name: &str) -> Result<f64, BenchError> {
        let path = format!("/proc/{}/status", self.child.pid());
        let text = fs::read_to_string(&path).map_err(BenchError::io(format!("read {path}")))?;
        let kibibytes = field(&text, &format!("{name}:"));
        Ok(f64::from(kibibytes.unwrap_or(0)) * 1024.0)
    }
}

/// The number that follows a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
}

/// What an agent used of a processor, percent, and how often it was woken in a second, while `meanwhile`
/// went on.
fn spent(
    agent: &Agent,
    meanwhile: impl FnOnce() -> Result<(), BenchError>,
) -> Result<[f64; 2], BenchError> {
    let (begun, busy, wakeups) = (Instant::now(), agent.busy()?, agent.wakeups()?);
    meanwhile()?;
    let busy = agent.busy()?.saturating_sub(busy).as_secs_f64();
    let (wakeups, seconds) = (agent.wakeups()? - wakeups, begun.elapsed().as_secs_f64());
    Ok([100.0 * busy / seconds, wakeups / seconds])
}

/// A row for each map, the largest first.
fn maps(sizes: &BTreeMap<u32, f64>) -> Result<Vec<Row>, BenchError> {
    let mut named = Vec::new();
    for (&id, size) in sizes {
        let told = MapInfo::from_id(id);
        let info = told.map_err(|cause| BenchError::Map { id, cause })?;
        named.push((info.name_as_str().unwrap_or("?").to_owned(), size / KIB));
    }
    named.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let row = |(name, size): &(String, f64)| {
        Row::of(&format!("map_{name}"), "KiB", "of the kernel", &[*size])
            .noted("by `memlock` of its descriptor, default sizes")
    };
    Ok(named.iter().map(row).collect())
}

/// Memory, processor time and wake-ups of one agent with its default settings, without traffic and under
/// ping-pong.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, BenchError> {
    let [node, _] = NODES;
    let agent = Agent::start(bench, node, &["--format", "none"])?;
    bench.pause(SETTLE)?;
    let watch = bench.effort.watch;
    let [idle, idle_wakeups] = spent(&agent, || bench.pause(watch))?;
    let [share, wakeups] = spent(&agent, || bench.trickle(watch, &bench.stop))?;
    let [resident, peak] = ["VmRSS", "VmHWM"].map(|size| agent.bytes(size));
    let [map_sizes, program_sizes] = agent.kernel_memory()?;
    let each = maps(&map_sizes)?;
    agent.end()?;
    let watch = crate::report::seconds(watch);
    let (quiet, busy) = (
        format!("{watch} without traffic"),
        format!("{watch} of ping-pong"),
    );
    let mebibytes = |name, bytes| Row::of(name, "MiB", &busy, &[bytes / MIB]);
    let all = |sizes: &BTreeMap<u32, f64>| sizes.values().sum();
    let mut rows = vec![
        Row::of("agent_idle_cpu", "% of a core", &quiet, &[idle]),
        Row::of("agent_idle_wakeups", "1/s", &quiet, &[idle_wakeups]),
        Row::of("agent_cpu", "% of a core", &busy, &[share]),
        Row::of("agent_wakeups", "1/s", &busy, &[wakeups]),
        mebibytes("agent_rss", resident?),
        mebibytes("agent_rss_peak", peak?).noted("maps in the kernel are not in it"),
        mebibytes("agent_map_memory", all(&map_sizes)).noted("of the kernel, default sizes"),
        mebibytes("agent_program_memory", all(&program_sizes)).noted("of the kernel"),
    ];
    rows.extend(each);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_the_number_behind_its_own_name() {
        let status = "Name:\tobserver\nVmRSS:\t    1024 kB\nvoluntary_ctxt_switches:\t7\n\
                      nonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(field(status, "VmRSS:"), Some(1024));
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(7));
        assert_eq!(field(status, "map_id:"), None);
    }
}
