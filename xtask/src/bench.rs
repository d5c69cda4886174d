//! `cargo xtask bench`: what the observer costs. Hot loop by test run, live rows in the lab, the
//! agent's start, memory and processor time. It builds and runs; the numbers of the hot loop are
//! measured by the agent's own benchmark.
//!
//! Never: a comparison with a number of another run or machine.

mod agent;
mod binaries;
mod devices;
mod exchange;
mod hook;
mod hot_loop;
mod machine;
mod overhead;
mod rounds;
#[path = "../../observer/benches/hot_loop/row.rs"]
mod row;
mod start;
mod whole;

use std::io;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::exit::Exit;
use crate::command::CommandError;
use crate::lab::{Lab, LabError, Options, Pod, Scenario};
use crate::report;
use crate::traffic::{PingPong, Place, Stop, TrafficError, Until};
use binaries::Binaries;
use row::{Row, Verdict};

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Shorter and fewer rounds: under a minute, less sure
    #[arg(long)]
    pub quick: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Fail if a bar is missed or a row with a bar could not be measured
    #[arg(long)]
    pub strict: bool,
    /// Only these parts; all without it
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for a person.
    Table,
    /// One JSON object per row.
    Json,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// One packet through one program, by test run
    Hot,
    /// Ping-pong with programs on one device
    Overhead,
    /// Bulk and ping-pong with the whole agent in both nodes
    Whole,
    /// From the agent's start to the first classed path
    Start,
    /// Memory and processor time of the agent
    Agent,
}

const PARTS: [Part; 5] = [
    Part::Hot,
    Part::Overhead,
    Part::Whole,
    Part::Start,
    Part::Agent,
];

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A build or a program failed.
    #[error("prepare the benchmark: {0}")]
    Command(#[from] CommandError),
    /// Cargo did not say where it put something.
    #[error("find {what} among cargo's artifacts: it is not there")]
    Missing {
        /// Name of the binary.
        what: &'static str,
    },
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Traffic failed.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// A helper process failed.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, on what.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A measurement would have been of something else.
    #[error("{action}: found {found}, expected {expected}; the block would measure something else")]
    Unexpected {
        /// What was checked.
        action: String,
        /// What was found.
        found: String,
        /// What should be there.
        expected: String,
    },
}

impl BenchError {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// How long and how often the live parts measure.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Less of everything.
    is_quick: bool,
    /// Rounds of ping-pong with programs on one device.
    rounds: usize,
    /// Rounds with and without the whole agent.
    pairs: usize,
    /// Length of a block.
    block: Duration,
    /// Starts of the agent.
    starts: usize,
    /// How long the agent's own cost is watched.
    watch: Duration,
}

const FULL: Effort = Effort {
    is_quick: false,
    rounds: 12,
    pairs: 20,
    block: Duration::from_secs(1),
    starts: 5,
    watch: Duration::from_mins(1),
};
const QUICK: Effort = Effort {
    is_quick: true,
    rounds: 6,
    pairs: 6,
    block: Duration::from_millis(400),
    starts: 2,
    watch: Duration::from_secs(8),
};

/// The lab with the two pods that talk, and what is measured with.
struct Bench {
    lab: Lab,
    binaries: Binaries,
    effort: Effort,
    /// One on the first node, one on the second.
    pods: [Pod; 2],
}

/// The nodes at the two ends.
const NODES: [&str; 2] = ["n1", "n2"];

impl Bench {
    /// The two pods on one processor: all work of an exchange in one queue.
    fn together(&self) -> [Place; 2] {
        let cpu = machine::cpus().saturating_sub(1);
        self.pods.each_ref().map(|pod| Place::from(pod).on_cpu(cpu))
    }

    /// The two pods on two processors, if there are so many.
    fn apart(&self) -> [Place; 2] {
        let [first, second] = self.pods.each_ref().map(Place::from);
        let cpus = machine::cpus();
        [first.on_cpu(0), second.on_cpu(1 % cpus)]
    }

    /// Some thousand packets a second between the pods, without haste: an agent has to get its
    /// processor as on a node that works.
    fn trickle(&self, time: Duration, stop: &Stop) -> Result<(), BenchError> {
        let [client, server] = self.pods.each_ref().map(Place::from);
        let load = PingPong {
            think: Duration::from_micros(500),
            ..PingPong::new(client, server, Until::Elapsed(time))
        };
        load.drive(stop)?;
        Ok(())
    }
}

/// Measures and prints; a part that could not be measured leaves a void row and fails, a missed bar
/// fails only with `--strict`.
///
/// # Errors
/// When something could not be built, started or driven.
pub fn run(arguments: &BenchArgs) -> Result<Exit, BenchError> {
    let effort = if arguments.quick { QUICK } else { FULL };
    let is_wanted = |part: &Part| arguments.only.is_empty() || arguments.only.contains(part);
    let binaries = Binaries::build()?;
    let header = machine::describe();
    let (mut rows, mut live) = (Vec::new(), None);
    let mut is_whole = true;
    for &part in PARTS.iter().filter(|part| is_wanted(part)) {
        progress(format_args!("measuring: {part:?}"));
        match measure(part, &binaries, effort, &mut live) {
            Ok(more) => rows.extend(more),
            Err(error) => {
                report::error(&error);
                rows.push(Row::void(
                    &format!("{part:?}").to_lowercase(),
                    "",
                    &error.to_string(),
                ));
                is_whole = false;
            }
        }
    }
    drop(live);
    print(&header, &rows, arguments.format);
    let fails = |row: &Row| {
        row.verdict == Verdict::Missed || (row.verdict == Verdict::Void && row.bar.is_some())
    };
    if !is_whole || (arguments.strict && rows.iter().any(fails)) {
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// The rows of one part; the lab is brought up by the first part that needs it.
fn measure(
    part: Part,
    binaries: &Binaries,
    effort: Effort,
    live: &mut Option<Bench>,
) -> Result<Vec<Row>, BenchError> {
    let rows = match part {
        Part::Hot => return hot_loop::rows(binaries, effort.is_quick),
        Part::Overhead => overhead::rows,
        Part::Whole => whole::rows,
        Part::Start => start::rows,
        Part::Agent => agent::rows,
    };
    let bench = match live {
        Some(bench) => bench,
        None => live.insert(up(binaries.clone(), effort)?),
    };
    rows(bench)
}

/// Brings the lab up: H2, VXLAN on lima0 between the nodes.
fn up(binaries: Binaries, effort: Effort) -> Result<Bench, BenchError> {
    let lab = Lab::up(Options::new(Scenario::H2).with_name("bench"))?;
    let pods = [lab.pod("n1-a")?.clone(), lab.pod("n2-a")?.clone()];
    Ok(Bench {
        lab,
        binaries,
        effort,
        pods,
    })
}

fn print(header: &str, rows: &[Row], format: Format) {
    match format {
        Format::Table => {
            report::line(header);
            report::line(row::table(rows));
        }
        Format::Json => {
            for row in rows {
                report::line(serde_json::to_string(row).unwrap_or_default());
            }
        }
    }
}

/// Tells a waiting person what happens; results alone go to standard output.
fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}
