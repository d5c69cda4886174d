//! `cargo xtask bench`: what the observer costs. Hot loop by test run, live rows in the lab, the
//! agent's start, memory and processor time; other tools' programs beside ours. It builds and runs; the
//! numbers of the hot loop are measured by the agent's own benchmark.
//!
//! Never: a comparison with a number of another run or machine.

mod agent;
mod binaries;
mod bulk;
mod collector;
mod devices;
mod error;
mod exchange;
mod flood;
mod hook;
mod load;
mod machine;
mod options;
mod overhead;
mod pages;
mod record;
mod rounds;
#[path = "../../observer/benches/hot_loop/row.rs"]
mod row;
mod shares;
#[path = "../../observer/benches/against/spec.rs"]
mod spec;
mod start;
mod test_run;
mod variant;
mod whole;
mod work;

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::exit::Exit;
use crate::command;
use crate::interrupt;
use crate::lab::{Lab, Options, Pod, Scenario, netns};
use crate::report;
use crate::traffic::{PingPong, Place, Stop, Until};
use binaries::Binaries;
pub use error::BenchError;
pub use options::{BenchArgs, Format, Part};
use options::{Effort, FULL, PARTS, QUICK};
use record::Record;
use row::{Row, Verdict};
use spec::Spec;

/// The lab with the two pods that talk, and what is measured with.
struct Bench {
    lab: Lab,
    binaries: Binaries,
    effort: Effort,
    /// What we are compared with.
    against: Vec<Spec>,
    /// One on the first node, one on the second.
    pods: [Pod; 2],
    /// Set by Ctrl-C.
    stop: Stop,
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

    /// Fails once the run was interrupted: between two blocks, so that the lab is removed in order.
    fn go_on(&self) -> Result<(), BenchError> {
        uninterrupted(&self.stop)
    }

    /// Waits, unless the run is interrupted.
    fn pause(&self, time: Duration) -> Result<(), BenchError> {
        const SLICE: Duration = Duration::from_millis(100);
        let begun = Instant::now();
        while let Some(rest) = time
            .checked_sub(begun.elapsed())
            .filter(|rest| !rest.is_zero())
        {
            self.go_on()?;
            thread::sleep(rest.min(SLICE));
        }
        Ok(())
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
/// When something could not be built, started, driven, read or written.
pub fn run(arguments: &BenchArgs) -> Result<Exit, BenchError> {
    let (record, is_whole) = match &arguments.rows {
        Some(path) => (Record::read(path)?, true),
        None => measured(arguments)?,
    };
    print(&record, arguments.format);
    if arguments.write {
        pages::write(&record)?;
    }
    let fails = |row: &Row| {
        row.verdict == Verdict::Missed || (row.verdict == Verdict::Void && row.bar.is_some())
    };
    if !is_whole || (arguments.strict && record.rows.iter().any(fails)) {
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// Fails if the run was interrupted.
fn uninterrupted(stop: &Stop) -> Result<(), BenchError> {
    if stop.is_set() {
        return Err(BenchError::Interrupted);
    }
    Ok(())
}

/// All rows, and whether every part could be measured.
fn measured(arguments: &BenchArgs) -> Result<(Record, bool), BenchError> {
    let effort = if arguments.quick { QUICK } else { FULL };
    let is_wanted = |part: &Part| arguments.only.is_empty() || arguments.only.contains(part);
    different(&arguments.against)?;
    let stop = interrupt::watch().map_err(BenchError::io("watch for signals"))?;
    let binaries = Binaries::build()?;
    test_run::check(&binaries.hot_loop, &arguments.against)?;
    let mut record = Record::begun(arguments.typed(), machine::describe());
    let mut live = None;
    let mut is_whole = true;
    let begun = Instant::now();
    for &part in PARTS.iter().filter(|part| is_wanted(part)) {
        progress(format_args!("measuring: {}", part.name()));
        let asked = (effort, arguments.against.as_slice());
        let since = Instant::now();
        let done = measure(part, &binaries, asked, (&mut live, &stop));
        // What is ended with the run is no failure of its own.
        uninterrupted(&stop)?;
        match done {
            Ok(more) => record.rows.extend(more),
            Err(error) => {
                report::error(&error);
                let row = Row::void(&part.name(), "", &error.to_string());
                record.rows.push(row);
                is_whole = false;
            }
        }
        let took = report::seconds(since.elapsed());
        progress(format_args!("measured: {} in {took}", part.name()));
    }
    let took = report::seconds(begun.elapsed());
    progress(format_args!("measured all that was asked for in {took}"));
    Ok((record, is_whole))
}

/// Rows are told apart by the labels of what we are compared with.
fn different(against: &[Spec]) -> Result<(), BenchError> {
    let labels: BTreeSet<_> = against.iter().map(|peer| &peer.label).collect();
    if labels.len() == against.len() {
        return Ok(());
    }
    Err(BenchError::Labels)
}

/// The rows of one part; the lab is brought up by the first part that needs it.
fn measure(
    part: Part,
    binaries: &Binaries,
    (effort, against): (Effort, &[Spec]),
    (live, stop): (&mut Option<Bench>, &Stop),
) -> Result<Vec<Row>, BenchError> {
    let rows = match part {
        Part::Hot => return test_run::rows(&binaries.hot_loop, effort.is_quick, against),
        Part::Storm => return test_run::rows(&binaries.load, effort.is_quick, against),
        Part::Overhead => overhead::rows,
        Part::Flood => flood::rows,
        Part::Bulk => bulk::rows,
        Part::Whole => whole::rows,
        Part::Start => start::rows,
        Part::Agent => agent::rows,
        Part::Load => load::rows,
    };
    let bench = match live {
        Some(bench) => bench,
        None => live.insert(Bench {
            stop: stop.clone(),
            ..up(binaries.clone(), effort, against.to_vec())?
        }),
    };
    rows(bench)
}

/// One congestion control for every run, the one that every namespace may choose: BBR's start takes
/// a good part of a block.
const CONGESTION: (&str, &str) = ("net.ipv4.tcp_congestion_control", "reno");

/// Brings the lab up: H2, VXLAN on lima0 between the nodes.
fn up(binaries: Binaries, effort: Effort, against: Vec<Spec>) -> Result<Bench, BenchError> {
    let lab = Lab::up(Options::new(Scenario::H2).with_name("bench"))?;
    let pods = [lab.pod("n1-a")?.clone(), lab.pod("n2-a")?.clone()];
    for pod in &pods {
        netns::write_sysctl(&pod.netns, CONGESTION.0, CONGESTION.1)?;
    }
    Ok(Bench {
        lab,
        binaries,
        effort,
        against,
        pods,
        stop: Stop::default(),
    })
}

fn print(record: &Record, format: Format) {
    match format {
        Format::Table => {
            report::line(&record.head.machine);
            report::line(row::table(&record.rows));
        }
        Format::Json => report::line(record.lines()),
    }
}

/// Tells a waiting person what happens; results alone go to standard output.
fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Runs a command, shown as typed, and returns what it prints; its complaints pass through.
fn capture(command: &mut Command) -> Result<String, BenchError> {
    let typed = report::typed(command);
    progress(format_args!("$ {typed}"));
    Ok(command::capture(command)?)
}

#[cfg(test)]
mod tests;
