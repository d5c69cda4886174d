//! `lab observe`: a scenario with an observer in every node, what was to be seen beside what they
//! gave, and the oracles' second opinion. What a failed run left is kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::counters::Kind;
use super::evidence::{Evidence, Sign};
use super::judge::{self, Judged, Verdict};
use super::scenario::{Cut, Expected, Outcome, Scenario};
use super::watch::{Given, Watch};
use super::{RealError, RealLab, again, captures, kept, telemetry};
use crate::bundles::Recorder;
use crate::lab::LabError;
use crate::run::Programs;

/// What the columns of a run's lines are.
pub const HEADING: &str = "      node about                to be seen                                          given by the node's observer";
/// Devices that VXLAN may leave by.
const CARRIERS: [&str; 3] = ["tailscale0", "eth0", "lima0"];
/// How long the last packets have to reach a report.
const SETTLE: Duration = Duration::from_millis(1500);

/// What came of observing a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Observed {
    /// Id of the scenario.
    pub scenario: &'static str,
    /// What dealt its roles and addresses.
    pub seed: u64,
    /// From nothing to pods that talk, in seconds.
    pub up_seconds: f64,
    /// Every expectation beside what was given.
    pub judged: Vec<Judged>,
    /// What the oracles saw at the same time.
    pub signs: Vec<Sign>,
    /// Trouble of observers.
    pub trouble: Vec<String>,
    /// Where logs and captures are, if something was wrong.
    pub kept: Option<PathBuf>,
}

impl Observed {
    /// Whether all was given as expected, and the scenario was what it is said to be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.trouble.is_empty()
            && self.count(Verdict::Wrong) == 0
            && self.signs.iter().all(|sign| sign.holds)
    }
}

impl Observed {
    /// How many expectations compare so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let judged = self.judged.iter();
        judged.filter(|judged| judged.verdict == verdict).count()
    }
}

/// How a scenario is observed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Deals roles and addresses.
    pub seed: u64,
    /// How long traffic runs.
    pub duration: Duration,
    /// Where the bundles of the nodes go, in a folder of the run's own; none are recorded without.
    pub record: Option<PathBuf>,
}

impl Run {
    /// The folder of the run's bundles.
    fn bundles(&self, scenario: &Scenario) -> Option<PathBuf> {
        let name = format!("{}-{}", scenario.id, self.seed);
        Some(self.record.as_ref()?.join(name))
    }
}

/// Builds a scenario, watches it while traffic runs, and compares. What a run that is not right has left
/// is kept, also if it ended early.
pub fn observe(
    scenario: &'static Scenario,
    run: &Run,
    programs: &Programs,
) -> Result<Observed, RealError> {
    let lab = RealLab::up(scenario, run.seed)?;
    match look(&lab, run, programs) {
        Ok(observed) if observed.is_right() => Ok(observed),
        Ok(mut observed) => {
            let text = serde_json::to_string_pretty(&observed).unwrap_or_default();
            lab.write("outcome.json", &text)?;
            observed.kept = Some(kept::keep(&lab)?);
            Ok(observed)
        }
        Err(cause) => {
            lab.keep_files();
            Err(cause)
        }
    }
}

/// Watches a lab while traffic runs, and compares.
fn look(lab: &RealLab, run: &Run, programs: &Programs) -> Result<Observed, RealError> {
    let captures = captures::start(lab)?;
    let nodes = lab.plan().nodes.iter();
    let watches: Vec<Watch> = nodes
        .map(|node| Watch::start(lab, &node.name, programs))
        .collect::<Result<_, _>>()?;
    let watched = watches.iter().try_for_each(Watch::await_report);
    let bundles = run.bundles(lab.scenario());
    let recorders = watched.and_then(|()| recorders(lab, programs, bundles.as_deref()));
    let (looked, recorders) = match recorders {
        Ok(recorders) => (Evidence::gather(lab, run.duration), recorders),
        Err(cause) => (Err(cause.into()), Vec::new()),
    };
    thread::sleep(SETTLE);
    drop(captures);
    let bundles = recorders.into_iter().map(Recorder::end);
    let bundles = bundles.collect::<Result<Vec<_>, _>>()?;
    let given: Vec<Given> = watches
        .into_iter()
        .map(Watch::end)
        .collect::<Result<_, _>>()?;
    let mut observed = Observed {
        scenario: lab.scenario().id,
        seed: lab.plan().seed,
        up_seconds: lab.up_seconds(),
        judged: judge(lab, &given)?,
        signs: Vec::new(),
        trouble: given.iter().filter_map(trouble).collect(),
        kept: None,
    };
    let again = again::judge(lab, &programs.observer, (&bundles, &given))?;
    observed.judged.extend(again);
    match looked {
        Ok(evidence) => {
            observed.signs = (lab.scenario().signs)(&evidence)?;
            observed.judged.extend(cuts(&evidence, &given)?);
            observed.judged.extend(round_trips(&evidence, &given)?);
        }
        Err(cause) => observed.trouble.push(cause.to_string()),
    }
    Ok(observed)
}

/// A recorder in every node, if there is somewhere to record to.
fn recorders(
    lab: &RealLab,
    programs: &Programs,
    folder: Option<&Path>,
) -> Result<Vec<Recorder>, LabError> {
    folder.map_or_else(
        || Ok(Vec::new()),
        |folder| again::start_all(lab, &programs.observer, folder),
    )
}

/// Every expectation beside what the observers at both ends gave.
fn judge(lab: &RealLab, given: &[Given]) -> Result<Vec<Judged>, LabError> {
    let expected = (lab.scenario().paths)(lab)?;
    let mut judged = Vec::new();
    for own in given {
        let ends_here = |pod: &str| {
            let node = lab.plan().node(&own.node);
            node.is_some_and(|node| node.pods.iter().any(|name| name == pod))
        };
        let paths = expected.iter();
        // What is never answered may be lost before it comes to the other end.
        let comes_here = |path: &&Expected| {
            ends_here(&path.from) || (ends_here(&path.to) && path.outcome != Outcome::NoReply)
        };
        for path in paths.filter(comes_here) {
            judged.push(judge::path(&own.node, &own.reports, path));
        }
        let role = lab.plan().node(&own.node).map_or("", |node| node.role);
        let finding = lab.scenario().finding;
        let finding = finding.filter(|finding| finding.is_found_by(role));
        judged.push(judge::findings(&own.node, &own.reports, finding));
        judged.extend(telemetry::judge(own, &expected));
    }
    Ok(judged)
}

/// What every observer saw cut, beside the oracle's count, where the scenario has packets cut.
fn cuts(evidence: &Evidence<'_>, given: &[Given]) -> Result<Vec<Judged>, LabError> {
    let lab = evidence.lab();
    let expected = (lab.scenario().paths)(lab)?;
    let mut judged = Vec::new();
    for own in given {
        let paths = || expected.iter().filter(|path| path.node == own.node);
        let Some(cut) = paths().find_map(|path| path.cut) else {
            continue;
        };
        let counted = match cut {
            Cut::Vxlan => evidence.left(&own.node, &CARRIERS, Kind::CutVxlan),
            Cut::Inner => evidence.left(&own.node, &["flannel.1"], Kind::PodFragments),
        };
        let pods: Vec<String> = paths().map(|path| path.source.to_string()).collect();
        judged.push(judge::cut(&own.node, &own.reports, &pods, cut, counted));
    }
    Ok(judged)
}

/// What every observer timed of what its own pods send, beside what the traffic measured of itself.
fn round_trips(evidence: &Evidence<'_>, given: &[Given]) -> Result<Vec<Judged>, RealError> {
    let lab = evidence.lab();
    let expected = (lab.scenario().paths)(lab)?;
    let mut judged = Vec::new();
    for own in given {
        let is_timed = |path: &&Expected| {
            let is_plain = path.via.is_none() && path.tunnel.is_none();
            path.node == own.node && path.outcome == Outcome::Reply && is_plain
        };
        // What leaves the cluster is counted together and timed for nobody.
        let is_pair = |path: &&Expected| lab.pod(&path.to).is_ok();
        for path in expected.iter().filter(is_timed).filter(is_pair) {
            let measured = evidence.carried(path)?.echoes.round_trip.p50_us / 1e3;
            judged.push(judge::round_trip(&own.node, &own.reports, path, measured));
        }
    }
    Ok(judged)
}

fn trouble(given: &Given) -> Option<String> {
    let trouble = given.trouble.as_ref()?;
    Some(format!("the observer of {}: {trouble}", given.node))
}

impl fmt::Display for Observed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, seed, up) = (self.scenario, self.seed, self.up_seconds);
        let right = if self.is_right() { "right" } else { "WRONG" };
        let (count, open) = (self.count(Verdict::Right), self.count(Verdict::Open));
        let all = self.judged.len() - open;
        write!(
            out,
            "{id:<5} {right}  {count} of {all} as expected, {open} not looked for, \
             up {up:.1} s, seed {seed}"
        )?;
        for judged in &self.judged {
            write!(out, "\n    {judged}")?;
        }
        for sign in self.signs.iter().filter(|sign| !sign.holds) {
            let Sign { claim, seen, .. } = sign;
            write!(
                out,
                "\n  ! the scenario is not as described: {claim}; {seen}"
            )?;
        }
        for trouble in &self.trouble {
            write!(out, "\n  ! {trouble}")?;
        }
        if let Some(kept) = &self.kept {
            write!(out, "\n  its files are kept in {}", kept.display())?;
        }
        Ok(())
    }
}
