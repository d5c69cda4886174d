//! One observer in a node of a lab: started, read, ended. It interprets nothing that it reads.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{RunArgs, RunError};
use crate::lab::{ChildGuard, Lab};
use crate::reports::Reports;

/// How long the last lines of an observer that has ended may take to be there.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Time between two reports: a sweep costs about a millisecond, and the first class comes sooner.
const INTERVAL: &str = "500ms";
/// One TCP timestamp in so many is followed: a short run needs many samples.
const SAMPLE_ONE_IN: &str = "4";

/// A running observer.
#[derive(Debug)]
pub(super) struct Agent {
    lab: String,
    node: String,
    process: ChildGuard,
    output: Output,
}

/// What a process has written so far.
#[derive(Debug)]
struct Output {
    log: BufReader<File>,
    /// A line whose end is not written yet.
    begun: Vec<u8>,
    reports: Reports,
}

impl Agent {
    /// The name that the observer of a node goes by: two labs have nodes of the same names.
    pub(super) fn called(lab: &Lab, node: &str) -> String {
        format!("{}-{node}", lab.topology().scenario.name())
    }

    /// Starts an observer in a node.
    pub(super) fn start(
        lab: &Lab,
        node: &str,
        program: &Path,
        options: &RunArgs,
    ) -> Result<Self, RunError> {
        let arguments = options.agent_arguments(&[
            ("--format", "json".to_owned()),
            ("--node", Self::called(lab, node)),
            ("--interval", INTERVAL.to_owned()),
            ("--sample-one-in", SAMPLE_ONE_IN.to_owned()),
            ("--cluster-cidr", lab.topology().cluster_cidr()),
        ]);
        let program = program.to_string_lossy();
        let arguments = arguments.iter().map(String::as_str);
        let argv: Vec<&str> = [program.as_ref(), "run"]
            .into_iter()
            .chain(arguments)
            .collect();
        let log = lab.directory().join(format!("observer-{node}.log"));
        let process = lab.spawn(node, &argv, &log)?;
        let (lab, node) = (lab.topology().name.clone(), node.to_owned());
        match File::open(&log) {
            Ok(log) => Ok(Self {
                lab,
                node,
                process,
                output: Output {
                    log: BufReader::new(log),
                    begun: Vec::new(),
                    reports: Reports::default(),
                },
            }),
            Err(source) => Err(RunError::Log { node, lab, source }),
        }
    }

    /// Name of its node in the lab.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// What it has said up to the last read.
    pub(super) fn reports(&self) -> &Reports {
        &self.output.reports
    }

    /// Reads what is new; an error if it has ended.
    pub(super) fn poll(&mut self) -> Result<(), RunError> {
        let ended = self.process.wait(Duration::ZERO)?;
        if ended.is_some() {
            thread::sleep(LAST_WORDS);
        }
        self.output
            .read()
            .map_err(|source| self.unreadable(source))?;
        ended.map_or(Ok(()), |status| Err(self.ended(&status.to_string())))
    }

    /// Asks it to end, and returns all it has said, its last sweep included.
    pub(super) fn end(self) -> Result<Reports, RunError> {
        let Self {
            lab,
            node,
            process,
            mut output,
        } = self;
        let status = process.end()?;
        if let Err(source) = output.read() {
            return Err(RunError::Log { node, lab, source });
        }
        if status.success() {
            return Ok(output.reports);
        }
        Err(RunError::AgentEnded {
            node,
            lab,
            status: status.to_string(),
            words: output.reports.words().to_owned(),
        })
    }

    /// The error of an observer that has not reported in time.
    pub(super) fn silent(&self, patience: Duration) -> RunError {
        RunError::AgentSilent {
            node: self.node.clone(),
            lab: self.lab.clone(),
            seconds: patience.as_secs(),
            words: self.reports().words().to_owned(),
        }
    }

    fn ended(&self, status: &str) -> RunError {
        RunError::AgentEnded {
            node: self.node.clone(),
            lab: self.lab.clone(),
            status: status.to_owned(),
            words: self.reports().words().to_owned(),
        }
    }

    fn unreadable(&self, source: io::Error) -> RunError {
        RunError::Log {
            node: self.node.clone(),
            lab: self.lab.clone(),
            source,
        }
    }
}

impl Output {
    /// Takes every line that is complete.
    fn read(&mut self) -> io::Result<()> {
        while self.log.read_until(b'\n', &mut self.begun)? > 0 {
            if self.begun.ends_with(b"\n") {
                self.reports.take(&String::from_utf8_lossy(&self.begun));
                self.begun.clear();
            }
        }
        Ok(())
    }
}
