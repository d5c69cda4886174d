//! `lab observe --small`: a scenario of the small lab with an observer and a recorder in every node, and
//! what replays of the bundles say beside what the observers said. It judges no class by itself.

use std::fmt;
use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bundles::{self, Bundle, Recorder, Row, Site};
use crate::lab::topology::{Protocol, Role};
use crate::lab::{ChildGuard, Lab, LabError, Options, Pod};
use crate::real::await_true::await_true;
use crate::reports::Reports;
use crate::run::RunError;
use crate::traffic::pair::join;
use crate::traffic::probe::{Probe, ProbeServer};
use crate::traffic::{Calls, Ping, Place, Servers, Stop, TrafficError};

/// Time between two reports.
const INTERVAL: &str = "1s";
/// Patience with an observer's first report: programs are verified at its start.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the last packets have to reach a report.
const SETTLE: Duration = Duration::from_millis(1500);
/// Where pods answer; the pods behind Services answer at 8080 too.
const PORT: u16 = 8090;
/// ICMP payload that pods have to cut into three.
const LONG: usize = 3_000;
/// From one long request of the first pair to the next, and how much longer that is for each further
/// pair: peers with the same traffic are hard to tell apart in a tunnel.
const GAP: Duration = Duration::from_millis(100);
const MORE: Duration = Duration::from_millis(60);
/// How long echo requests run before the rest: what is sent before an observer knows a pair counts for
/// no pair.
const ACQUAINTED: Duration = Duration::from_secs(1);
/// What the bundles of all nodes say is no node's.
const TOGETHER: &str = "all";
/// Connections at a time through a Service, and from one such round to the next.
const CONNECTIONS: usize = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// How a scenario is observed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Deals roles and addresses.
    pub seed: u64,
    /// How long traffic runs.
    pub duration: Duration,
    /// Where the bundles of the nodes go, in a folder of the run's own; they go with the lab without.
    pub record: Option<PathBuf>,
    /// Name of the lab.
    pub name: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Observed {
    scenario: &'static str,
    seed: u64,
    rows: Vec<(String, Row)>,
}

/// An observer of a node.
struct Watch {
    node: String,
    said: PathBuf,
    process: ChildGuard,
}

/// Builds a scenario, watches and records it while traffic runs, and compares. `options` carries what a
/// test sets.
pub fn observe(options: Options, run: &Run, observer: &Path) -> Result<Observed, RunError> {
    let scenario = options.scenario.name();
    let lab = Lab::up(options.with_name(&run.name).with_seed(run.seed))?;
    let folder = run.record.as_ref().map_or_else(
        || lab.directory().join("bundles"),
        |folder| folder.join(format!("{scenario}-{}", run.seed)),
    );
    let watches = lab.nodes().iter();
    let watches: Vec<Watch> = watches
        .map(|node| Watch::start(&lab, &node.name, observer))
        .collect::<Result<_, _>>()?;
    watches.iter().try_for_each(Watch::await_report)?;
    let recorders = start_recorders(&lab, observer, &folder)?;
    drive(&lab, run.duration)?;
    thread::sleep(SETTLE);
    let bundles = recorders.into_iter().map(Recorder::end);
    let bundles: Vec<Bundle> = bundles.collect::<Result<_, _>>()?;
    let lives = watches.into_iter().map(Watch::end);
    let lives: Vec<Reports> = lives.collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for (live, bundle) in lives.iter().zip(&bundles) {
        let compared = bundle.compare(observer, live, |address| name(&lab, address))?;
        rows.extend(compared.into_iter().map(|row| (bundle.node.clone(), row)));
    }
    let all: Vec<&Reports> = lives.iter().collect();
    let named = |address: &str| name(&lab, address);
    let compared = bundles::compare_together(&bundles, observer, &all, named)?;
    rows.extend(compared.into_iter().map(|row| (TOGETHER.to_owned(), row)));
    Ok(Observed {
        scenario,
        seed: run.seed,
        rows,
    })
}

impl Observed {
    /// Whether every replay said what its node's observer did, of all pairs that packets passed of.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let has_pairs = self.rows.iter().any(|(_, row)| row.about != "capture");
        has_pairs && self.rows.iter().all(|(_, row)| row.is_same)
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, seed) = (self.scenario, self.seed);
        let right = if self.is_right() { "right" } else { "WRONG" };
        let same = self.rows.iter().filter(|(_, row)| row.is_same).count();
        let all = self.rows.len();
        write!(
            out,
            "{id:<5} {right}  {same} of {all} the same, seed {seed}"
        )?;
        for (node, row) in &self.rows {
            let text = row.to_string();
            let (mark, rest) = text.split_at(2);
            write!(out, "\n    {mark}{node:<4} {rest}")?;
        }
        Ok(())
    }
}

impl Watch {
    fn start(lab: &Lab, node: &str, observer: &Path) -> Result<Self, LabError> {
        let program = observer.to_string_lossy();
        let said = lab.directory().join(format!("observer-{node}.log"));
        let how = ["--format", "json", "--interval", INTERVAL, "--node", node];
        let process = lab.spawn(node, &[&[&*program, "run"][..], &how].concat(), &said)?;
        Ok(Self {
            node: node.to_owned(),
            said,
            process,
        })
    }

    fn await_report(&self) -> Result<(), LabError> {
        await_true(&format!("a report of {}", self.node), PATIENCE, || {
            let reports = self.reports();
            if !self.process.is_alive() {
                return Err(LabError::Ended {
                    what: format!("the observer of {}", self.node),
                    detail: reports.words().to_owned(),
                });
            }
            Ok(reports.sweeps() > 0)
        })
    }

    fn reports(&self) -> Reports {
        read(&self.said)
    }

    fn end(self) -> Result<Reports, LabError> {
        let Self {
            node,
            said,
            process,
        } = self;
        let status = process.end()?;
        let reports = read(&said);
        if status.success() {
            return Ok(reports);
        }
        Err(LabError::Ended {
            what: format!("the observer of {node}"),
            detail: format!("{status}: {}", reports.words()),
        })
    }
}

fn read(said: &Path) -> Reports {
    let mut reports = Reports::default();
    let text = fs::read_to_string(said).unwrap_or_default();
    text.lines().for_each(|line| reports.take(line));
    reports
}

fn start_recorders(lab: &Lab, observer: &Path, folder: &Path) -> Result<Vec<Recorder>, LabError> {
    let nodes = lab.nodes().iter().map(|node| node.name.as_str());
    let recorders = nodes.map(|node| {
        let site = Site {
            node,
            bundle: folder.join(node),
            said: lab.directory().join(format!("recorder-{node}.log")),
            tailscaled: None,
        };
        Recorder::start(site, observer, |argv, said| lab.spawn(node, argv, said))
    });
    let recorders: Vec<Recorder> = recorders.collect::<Result<_, _>>()?;
    recorders.iter().try_for_each(Recorder::await_begun)?;
    Ok(recorders)
}

/// Requests, transfers and long echo requests between all pods, and connections through all Services.
fn drive(lab: &Lab, duration: Duration) -> Result<(), TrafficError> {
    let topology = lab.topology();
    let pods: Vec<&Pod> = lab.nodes().iter().flat_map(|node| &node.pods).collect();
    let servers = pods
        .iter()
        .map(|&pod| ProbeServer::serve(&pod.into(), PORT));
    let servers: Vec<ProbeServer> = servers.collect::<Result<_, _>>()?;
    let expected = topology.expected();
    let stop = Stop::default();
    thread::scope(|scope| {
        let mut running = Vec::new();
        let gaps = (0_u32..).map(|place| GAP + MORE * place);
        for (path, gap) in expected.iter().zip(gaps) {
            let (Some(from), Some(to)) = (topology.pod(&path.from), topology.pod(&path.to)) else {
                continue;
            };
            let server = pods
                .iter()
                .zip(&servers)
                .find(|(pod, _)| pod.name == to.name);
            let Some((_, server)) = server else { continue };
            let stop = &stop;
            let load = Load {
                server,
                duration,
                gap,
            };
            running.push(scope.spawn(move || carry([from, to], &load, stop)));
        }
        let services = scope.spawn(|| call(lab, duration));
        running.into_iter().try_for_each(join)?;
        join(services)
    })
}

/// What one pair of pods is to do.
struct Load<'a> {
    server: &'a ProbeServer,
    duration: Duration,
    /// From one long request to the next.
    gap: Duration,
}

fn carry([from, to]: [&Pod; 2], load: &Load<'_>, stop: &Stop) -> Result<(), TrafficError> {
    let &Load {
        server,
        duration,
        gap,
    } = load;
    let count = u32::try_from(duration.as_millis() / gap.as_millis()).unwrap_or(u32::MAX);
    let short = Ping::new(Place::from(from), to.address, 1);
    short.drive(stop)?;
    thread::sleep(ACQUAINTED);
    let long = Ping {
        gap,
        payload: LONG,
        ..Ping::new(Place::from(from), to.address, count)
    };
    let to = SocketAddrV4::new(to.address, PORT);
    let probe = Probe::new(from.into(), to, duration.saturating_sub(ACQUAINTED));
    thread::scope(|scope| {
        let long = scope.spawn(|| long.drive(stop));
        probe.drive(server, stop)?;
        join(long).map(|_| ())
    })
}

/// Connections of the client's first pod through every TCP Service.
fn call(lab: &Lab, duration: Duration) -> Result<(), TrafficError> {
    let topology = lab.topology();
    let services = topology.services.iter();
    let services: Vec<_> = services
        .filter(|service| service.protocol == Protocol::Tcp)
        .collect();
    let mut clients = lab.nodes().iter().filter(|node| node.role == Role::Client);
    let client = clients.find_map(|node| node.pods.first());
    let Some(client) = client.filter(|_| !services.is_empty()) else {
        return Ok(());
    };
    let backends = services.iter().flat_map(|service| &service.backends);
    let places: Vec<(Place, u16)> = backends
        .filter_map(|backend| Some((topology.pod(&backend.pod)?.into(), backend.port)))
        .collect();
    let _servers = Servers::serve(&places)?;
    let begun = Instant::now();
    let mut calls: Vec<Calls> = services
        .iter()
        .map(|service| Calls::new(client.into(), service.socket()))
        .collect();
    while begun.elapsed() < duration {
        for calls in &mut calls {
            calls.open(CONNECTIONS)?;
            calls.exchange(2)?;
        }
        thread::sleep(PAUSE);
    }
    for calls in calls {
        calls.close()?;
    }
    Ok(())
}

/// The pod of an address, else the address.
fn name(lab: &Lab, address: &str) -> String {
    let mut pods = lab.nodes().iter().flat_map(|node| &node.pods);
    let found = pods.find(|pod| pod.address.to_string() == address);
    found.map_or_else(|| address.to_owned(), |pod| pod.name.clone())
}
