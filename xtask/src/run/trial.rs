//! The course of a trial: labs, observers, light traffic, full load, and everything down again.
//! Labs take turns, so that the load of one is never in the figures of the other.

mod services;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::live::{Glance, Live};
use super::load::{Heavy, Light, Route};
use super::outcome::{self, Outcome, Timing};
use super::services::Served;
use super::site::{Shown, Site};
use super::{RunArgs, RunError};
use crate::lab::topology::Family;
use crate::lab::{self, Scenario, Topology};
use crate::report;
use crate::reports;
use crate::traffic::{Place, Stop, TrafficError};

/// Traffic of a trial whose time nobody has chosen.
const TIME: Duration = Duration::from_secs(15);
/// Traffic of less time measures nothing: a shorter wish gets so much.
const LEAST: Duration = Duration::from_secs(2);
/// Share of the light traffic; full load gets the rest.
const LIGHT: f64 = 0.6;
/// How long observers may take to report.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks at the observers.
const LOOK: Duration = Duration::from_millis(100);

/// Nothing is on its way any more, delayed acknowledgements included (Linux: `TCP_DELACK_MAX`, 200 ms).
const QUIET: Duration = Duration::from_millis(300);

/// A pair of pods and what was measured through it.
#[derive(Debug)]
pub(super) struct Measured {
    /// Which lab.
    pub(super) site: usize,
    /// Sending pod.
    pub(super) from: String,
    /// Receiving pod.
    pub(super) to: String,
    /// The family of the addresses that they use.
    pub(super) family: Family,
    route: Route,
    /// Rounds of light traffic.
    pub(super) light: Vec<Light>,
    /// Its path as it was before full load filled the queues.
    pub(super) unloaded: Option<reports::Path>,
    /// Rounds of full load.
    pub(super) heavy: Vec<Heavy>,
}

/// Runs a trial from the first namespace to the last; whatever happens, nothing is left of it.
pub(super) fn drive(program: &Path, options: &RunArgs, signal: &Stop) -> Result<Outcome, RunError> {
    let wanted = options.time.unwrap_or(TIME);
    let time = wanted.max(LEAST);
    if time > wanted {
        let (wanted, least) = (report::seconds(wanted), report::seconds(LEAST));
        report::progress(format_args!(
            "{wanted} is too short for a lab to measure anything: {least}"
        ));
    }
    let driven = drive_for(time, program, options, signal);
    // Ctrl-C at a terminal also ends the tools that labs are made with.
    if signal.is_set() {
        return Err(RunError::Interrupted);
    }
    driven
}

fn drive_for(
    time: Duration,
    program: &Path,
    options: &RunArgs,
    signal: &Stop,
) -> Result<Outcome, RunError> {
    let (wanted, rounds) = match options.scenario {
        None => (
            vec![
                (Scenario::S1, Shown::Pair),
                (Scenario::H2, Shown::Pair),
                (Scenario::H2c, Shown::Services),
            ],
            3,
        ),
        Some(scenario) => (vec![(scenario, Shown::All)], 1),
    };
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    report::progress(format_args!(
        "lab seed {seed}; repeat it with --seed {seed}"
    ));
    let mut live = Live::start();
    live.show("building the lab", &[]);
    let sites = Site::up_all(&wanted, seed, options)?;
    let mut trial = Trial {
        timing: Timing::default(),
        sites,
        live,
        signal,
    };
    let measured = trial.measure(rounds, time, program, options);
    let Trial {
        sites,
        mut live,
        mut timing,
        ..
    } = trial;
    live.show("removing the lab", &[]);
    let ended = Site::end_all(sites);
    timing.total = live.elapsed().as_secs_f64();
    drop(live);
    let (pairs, served) = measured?;
    outcome::outcome(&ended?, &pairs, &served, timing)
}

/// A trial while it goes on.
struct Trial<'a> {
    sites: Vec<Site>,
    live: Live,
    timing: Timing,
    signal: &'a Stop,
}

impl Trial<'_> {
    fn measure(
        &mut self,
        rounds: u32,
        time: Duration,
        program: &Path,
        options: &RunArgs,
    ) -> Result<(Vec<Measured>, Vec<Served>), RunError> {
        self.timing.labs_up = self.live.elapsed().as_secs_f64();
        for site in &mut self.sites {
            site.watch(program, options)?;
        }
        self.await_sweep("observers attach to the devices of their nodes")?;
        self.timing.attached = self.live.elapsed().as_secs_f64();
        let mut pairs = pairs(&self.sites);
        let turns = f64::from(rounds) * f64::from(u32::try_from(pairs.len()).unwrap_or(1));
        let [light, heavy] = [LIGHT, 1.0 - LIGHT].map(|share| time.mul_f64(share / turns));
        for _ in 0..rounds {
            for pair in &mut pairs {
                let phase = "light load: TCP requests, ping and UDP";
                let done = self.during(phase, |stop| pair.route.light(light, stop))?;
                pair.light.push(done);
            }
        }
        self.await_sweep("observers report")?;
        for pair in &mut pairs {
            let path = self.sites.get(pair.site);
            pair.unloaded = path
                .and_then(|site| site.path(&pair.from, &pair.to, pair.family))
                .cloned();
        }
        for _ in 0..rounds {
            for pair in &mut pairs {
                let phase = "full load: TCP requests without a pause, then a transfer";
                let done = self.during(phase, |stop| pair.route.heavy(heavy, stop))?;
                pair.heavy.push(done);
            }
        }
        Ok((pairs, self.through_services()?))
    }

    /// Waits until nothing is on its way, and until every observer has reported what was.
    fn settle(&mut self, phase: &str) -> Result<(), RunError> {
        self.during(phase, |_| {
            thread::sleep(QUIET);
            Ok(())
        })?;
        self.await_sweep(phase)
    }

    /// Drives a load while the observers are read and shown.
    fn during<T: Send>(
        &mut self,
        phase: &str,
        load: impl FnOnce(&Stop) -> Result<T, TrafficError> + Send,
    ) -> Result<T, RunError> {
        let stop = Stop::default();
        thread::scope(|scope| {
            let driving = scope.spawn(|| load(&stop));
            while !driving.is_finished() {
                if let Err(error) = self.look(phase) {
                    stop.set();
                    return Err(error);
                }
                thread::sleep(LOOK);
            }
            let done = driving
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(done?)
        })
    }

    /// Waits until every observer has reported what is up to now.
    fn await_sweep(&mut self, phase: &str) -> Result<(), RunError> {
        // A report that was written but not read yet may be of an earlier time.
        self.look(phase)?;
        let before: Vec<Vec<u64>> = self.sites.iter().map(Site::sweeps).collect();
        let begun = Instant::now();
        loop {
            self.look(phase)?;
            let mut silent = self.sites.iter().zip(&before);
            let Some(error) = silent.find_map(|(site, before)| site.silent(before, PATIENCE))
            else {
                return Ok(());
            };
            if begun.elapsed() > PATIENCE {
                return Err(error);
            }
            thread::sleep(LOOK);
        }
    }

    /// Reads the observers and shows what they say; an error if one has ended, or at Ctrl-C.
    fn look(&mut self, phase: &str) -> Result<(), RunError> {
        if self.signal.is_set() {
            return Err(RunError::Interrupted);
        }
        self.sites.iter_mut().try_for_each(Site::poll)?;
        let glances: Vec<Glance> = self.sites.iter().map(glance).collect();
        let is_classed = glances.iter().any(|glance| !glance.classes.is_empty());
        if is_classed && self.timing.first_class.is_none() {
            self.timing.first_class = Some(self.live.elapsed().as_secs_f64());
        }
        self.live.show(phase, &glances);
        Ok(())
    }
}

/// The pairs that get traffic: client and server, or all that answer.
fn pairs(sites: &[Site]) -> Vec<Measured> {
    let mut pairs = Vec::new();
    for (index, site) in sites.iter().enumerate() {
        let topology = site.topology();
        let (count, think) = match site.shown() {
            Shown::Pair => (1, Duration::from_millis(1)),
            Shown::Services => (0, Duration::ZERO),
            Shown::All => (usize::MAX, Duration::ZERO),
        };
        let mut ordered = topology.expected();
        ordered.retain(|pair| pair.outcome == lab::Outcome::Reply);
        let ordered = ordered.into_iter().take(count);
        pairs.extend(ordered.filter_map(|pair| measured(index, topology, &pair, think)));
    }
    pairs
}

fn measured(
    site: usize,
    topology: &Topology,
    pair: &lab::ExpectedPath,
    think: Duration,
) -> Option<Measured> {
    let place = |pod| Place::of(topology.pod(pod)?, pair.family);
    let route = Route {
        from: place(&pair.from)?,
        to: place(&pair.to)?,
        think,
    };
    Some(Measured {
        site,
        from: pair.from.clone(),
        to: pair.to.clone(),
        family: pair.family,
        route,
        light: Vec::new(),
        unloaded: None,
        heavy: Vec::new(),
    })
}

/// A lab as the display shows it.
fn glance(site: &Site) -> Glance {
    let topology = site.topology();
    let mut glance = Glance {
        title: topology.scenario.name().to_uppercase(),
        finding: site.findings().next().map(|finding| finding.cause.clone()),
        ..Glance::default()
    };
    for pair in topology.expected() {
        if let Some(path) = site.path(&pair.from, &pair.to, pair.family) {
            glance.add(path);
        }
    }
    glance
}
