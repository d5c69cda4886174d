//! One observer in each node of the real lab, and a receiver of its spans and metrics beside it. What
//! an observer is told holds nothing about the scenario.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RealLab;
use super::await_true::await_true;
use crate::lab::{ChildGuard, LabError};
use crate::reports::Reports;
use crate::run::Programs;

/// Where a receiver listens, in the namespace of its node.
const RECEIVER: &str = "127.0.0.1:4317";
/// Time between two reports.
const INTERVAL: &str = "1s";
/// One TCP timestamp in so many is followed: a short run needs many samples.
const SAMPLE_ONE_IN: &str = "4";
/// Patience with an observer's first report: programs are verified at its start.
const PATIENCE: Duration = Duration::from_secs(40);

/// The observer of one node, with its receiver.
#[derive(Debug)]
pub(super) struct Watch {
    node: String,
    observer: ChildGuard,
    sink: ChildGuard,
    files: Files,
}

/// Where a node's observer and receiver write.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The observer's reports and words.
    pub(super) said: PathBuf,
    /// Spans, as JSON lines.
    pub(super) spans: PathBuf,
    /// Metric points, as JSON lines.
    pub(super) metrics: PathBuf,
}

/// What the observer of a node has given.
#[derive(Debug)]
pub(super) struct Given {
    /// Its node.
    pub(super) node: String,
    /// Its reports.
    pub(super) reports: Reports,
    /// Where all of it is.
    pub(super) files: Files,
    /// How it ended, if not as asked.
    pub(super) trouble: Option<String>,
}

impl Watch {
    /// Starts both in a node.
    pub(super) fn start(lab: &RealLab, node: &str, programs: &Programs) -> Result<Self, LabError> {
        let file = |what: &str| lab.file(&format!("{what}-{node}"));
        let files = Files {
            said: file("observer"),
            spans: file("spans"),
            metrics: file("metrics"),
        };
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let (spans, metrics) = (shown(&files.spans), shown(&files.metrics));
        let (sink, observer) = (shown(&programs.sink), shown(&programs.observer));
        let receive = [
            "--listen",
            RECEIVER,
            "--spans",
            &spans,
            "--metrics",
            &metrics,
        ];
        let argv = [&[sink.as_str()][..], &receive].concat();
        let sink = lab.spawn(node, &argv, &file("sink"))?;
        let endpoint = format!("http://{RECEIVER}");
        let report = ["--format", "json", "--interval", INTERVAL, "--node", node];
        let send = ["--otlp", &endpoint, "--sample-one-in", SAMPLE_ONE_IN];
        // Nothing of the environment reaches it: neither a name nor a setting.
        let argv = [&["env", "-i", observer.as_str(), "run"][..], &report, &send].concat();
        let observer = lab.spawn(node, &argv, &files.said)?;
        Ok(Self {
            node: node.to_owned(),
            observer,
            sink,
            files,
        })
    }

    /// Waits until it reports.
    pub(super) fn await_report(&self) -> Result<(), LabError> {
        await_true(&format!("a report of {}", self.node), PATIENCE, || {
            if !self.observer.is_alive() {
                return Err(LabError::Ended {
                    what: format!("the observer of {}", self.node),
                    detail: self.files.reports().words().to_owned(),
                });
            }
            Ok(self.files.reports().sweeps() > 0)
        })
    }

    /// Asks it to end, and its receiver after it, and returns all that they have.
    pub(super) fn end(self) -> Result<Given, LabError> {
        let status = self.observer.end()?;
        self.sink.end()?;
        let reports = self.files.reports();
        let trouble = (!status.success()).then(|| format!("{status}: {}", reports.words()));
        Ok(Given {
            node: self.node,
            reports,
            files: self.files,
            trouble,
        })
    }
}

impl Files {
    /// What the observer has said so far.
    fn reports(&self) -> Reports {
        let mut reports = Reports::default();
        let text = fs::read_to_string(&self.said).unwrap_or_default();
        for line in text.lines() {
            reports.take(line);
        }
        reports
    }
}
