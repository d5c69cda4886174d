//! Cumulative metrics from what each sweep reports. Sums live here, so that a counter goes on
//! although its path's row is gone. Pure: time is an argument.
//!
//! Never: a pod, an address or a port as a label, a counter that falls, a table without a bound.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::Metric;

use super::Ledger;
use super::names::{DROPPED, Kind, metric, place_name, point_role};
use crate::diagnosis::Finding;
use crate::path::{Devices, PathReport, WireReport};

mod arrivals;
mod baselines;
mod histogram;
mod labels;
mod wire;

use baselines::{Baselines, Counts};
use histogram::Histogram;
use labels::{FindingLabels, Labels, fold};

/// Label sets of paths at once; another one counts for nodes named `other`. A node sees at most a
/// few per peer, so this serves a thousand nodes; a set with its six histograms takes about 2 kB.
const LABELS: usize = 4_096;
/// Label sets of findings at once, open or gone.
const FINDINGS: usize = 1_024;
/// Names of the ledger at once: it is a closed set of about a hundred.
const LEDGER: usize = 1_024;

/// All metrics at one time, as OTLP messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    metrics: Vec<Metric>,
}

impl Snapshot {
    /// The metrics in the order of the metric table.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    pub(super) fn into_metrics(self) -> Vec<Metric> {
        self.metrics
    }
}

/// What shows that packets were too long, and where.
type Proof = [&'static str; 2];

/// Keeps the sums.
#[derive(Debug)]
pub struct Accumulator {
    start: u64,
    baselines: Baselines,
    paths: BTreeMap<Labels, Counts>,
    rtt: BTreeMap<(Labels, &'static str), Histogram>,
    oversize: BTreeMap<(Labels, Proof), u64>,
    announced: BTreeMap<Labels, u64>,
    mtu: BTreeMap<Labels, u32>,
    wires: Vec<WireReport>,
    findings: BTreeMap<FindingLabels, u64>,
    ledger: Ledger,
}

impl Accumulator {
    /// Empty sums that begin at `start`, wall clock in nanoseconds since 1970.
    #[must_use]
    pub fn new(start: u64) -> Self {
        Self {
            start,
            baselines: Baselines::default(),
            paths: BTreeMap::new(),
            rtt: BTreeMap::new(),
            oversize: BTreeMap::new(),
            announced: BTreeMap::new(),
            mtu: BTreeMap::new(),
            wires: Vec::new(),
            findings: BTreeMap::new(),
            ledger: Ledger::new(),
        }
    }

    /// Takes the reports of one sweep; to be called once per sweep, since their samples are new
    /// ones. One tree step per report and point.
    pub fn update(&mut self, reports: &[PathReport]) {
        self.mtu.clear();
        let fresh = self.baselines.advance(reports);
        for (report, counts) in reports.iter().zip(fresh) {
            let labels = fold(Labels::of(report), &self.paths, LABELS, Labels::other);
            for (&point, at) in &report.points {
                if !at.rtt_samples.is_empty() {
                    let key = (labels.clone(), point_role(point));
                    self.rtt.entry(key).or_default().add(&at.rtt_samples);
                }
            }
            if let Some((mtu, _)) = report.mtu.as_ref().filter(|_| !report.superseded) {
                let least = self.mtu.entry(labels.clone()).or_insert(*mtu);
                *least = *mtu.min(least);
            }
            for dropped in report.oversize.iter().flat_map(|found| &found.dropped) {
                let proof = [DROPPED, place_name(dropped.place)];
                *self.oversize.entry((labels.clone(), proof)).or_default() += dropped.recent;
            }
            for told in report.oversize.iter().flat_map(|found| &found.announced) {
                *self.announced.entry(labels.clone()).or_default() += told.recent;
            }
            self.paths.entry(labels).or_default().add(&counts);
        }
    }

    /// Takes what underlays saw before the stack: their sums as they are.
    pub fn update_wires(&mut self, wires: &[WireReport]) {
        self.wires.clear();
        self.wires.extend_from_slice(wires);
    }

    /// Everything at wall time `now`, nanoseconds since 1970.
    pub fn collect(
        &mut self,
        now: u64,
        findings: &[Finding],
        interfaces: &Devices,
        ledger: &Ledger,
    ) -> Snapshot {
        self.open(findings);
        self.lose(ledger);
        Snapshot {
            metrics: wire::metrics(self, now, interfaces),
        }
    }

    /// Takes the ledger: a count never falls, and a state that is not there any more is 0.
    fn lose(&mut self, ledger: &Ledger) {
        for (entry, count) in &mut self.ledger {
            if metric::of_ledger(group(entry).0).kind == Kind::Gauge {
                *count = 0;
            }
        }
        for (entry, &count) in ledger {
            if self.ledger.len() < LEDGER || self.ledger.contains_key(entry) {
                let held = self.ledger.entry(entry.clone()).or_default();
                *held = count.max(*held);
            }
        }
    }

    fn open(&mut self, findings: &[Finding]) {
        self.findings.values_mut().for_each(|open| *open = 0);
        for finding in findings {
            let labels = FindingLabels::of(finding);
            let labels = fold(labels, &self.findings, FINDINGS, FindingLabels::other);
            *self.findings.entry(labels).or_default() += 1;
        }
    }
}

/// Group and reason of an entry of the ledger.
fn group(entry: &str) -> (&str, Option<&str>) {
    entry
        .split_once('.')
        .map_or((entry, None), |(group, reason)| (group, Some(reason)))
}

#[cfg(test)]
mod tests;
