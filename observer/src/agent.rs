//! Composition root: builds everything from the settings, runs it, and takes it down in order.
//!
//! Never: a decision of its own. Each sweep asks the modules in turn and hands on what they say.

mod attachments;
mod error;
mod intake;
mod lock;
mod output;
mod roads;
mod signals;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use observer_ebpf::units::Monotonic;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;
use crate::export::Ledger;
use crate::interfaces::{self, Snapshot as Devices};
use crate::kernel::{Object, Sizes, jiffy_nanos, monotonic_nanos};
use crate::latency::Silence;
use crate::sweep::{Context, Snapshot, assemble, read};

use attachments::Attachments;
pub use error::AgentError;
use intake::Intake;
pub use output::Format;
use output::{Output, Report};
use roads::Roads;
pub use signals::Ending;
use signals::Signals;

/// Time between two looks into the ring.
const POLL: Duration = Duration::from_millis(50);
/// The first sweep comes early, so that a start shows something soon.
const FIRST_SWEEP: Duration = Duration::from_secs(1);
/// Records taken from the ring at once.
const RECORDS: usize = 4096;

/// What the command line asks of one run.
#[derive(Clone, Debug)]
pub struct Task {
    /// How reports are printed.
    pub format: Format,
    /// When to end by itself.
    pub duration: Option<Duration>,
}

/// Runs the agent until a signal, the end of its time, or an error.
pub async fn run(config: Config, task: Task) -> Result<Ending, AgentError> {
    let _lock = lock::take()?;
    let mut signals = Signals::new(task.duration)?;
    let (devices, follower) = interfaces::follow()?;
    let mut agent = Agent::new(config, task.format, devices)?;
    agent.follow_devices()?;
    let mut following = tokio::spawn(follower.run());
    let mut poll = interval(POLL);
    let mut sweep = interval(agent.config.interval);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.reset_after(FIRST_SWEEP.min(agent.config.interval));
    let ending = loop {
        let done = tokio::select! {
            ending = signals.wait() => break ending,
            ended = &mut following => Err(AgentError::ended("the device follower", ended)),
            changed = agent.devices.changed() => match changed {
                Ok(()) => agent.follow_devices(),
                Err(_) => Err(AgentError::Ended { task: "the device follower" }),
            },
            woken = agent.object.events.woken() => match woken {
                Ok(()) => agent.take_events(),
                Err(error) => Err(error.into()),
            },
            _ = poll.tick() => agent.take_events(),
            _ = sweep.tick() => agent.sweep(),
        };
        match done {
            Ok(()) => {}
            Err(error) if error.is_reader_gone() => break Ending::ReaderGone,
            Err(error) => return Err(error),
        }
    };
    following.abort();
    let drained = agent.drain();
    agent.attachments.clear();
    match (drained, agent.output.finish().await) {
        (Ok(()), Ok(())) => Ok(ending),
        (Err(error), _) | (Ok(()), Err(error)) if error.is_reader_gone() => Ok(Ending::ReaderGone),
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
    }
}

struct Agent {
    config: Config,
    object: Object,
    devices: watch::Receiver<Arc<Devices>>,
    attachments: Attachments,
    intake: Intake,
    roads: Roads,
    snapshot: Snapshot,
    output: Output,
    remembered: Remembered,
    last_sweep: Instant,
    expiry: u32,
    deleted: u64,
}

type Remembered = HashMap<(u16, observer_ebpf::abi::point::FlowDirection), crate::sweep::Direction>;

impl Agent {
    fn new(
        config: Config,
        format: Format,
        devices: watch::Receiver<Arc<Devices>>,
    ) -> Result<Self, AgentError> {
        let sizes = Sizes {
            biflows: config.flows,
            ring: config.ring,
        };
        let mut object = Object::load(sizes)?;
        for network in &config.networks {
            object.networks.put(&network.key(), &1)?;
        }
        object.control.set(config.control(jiffy_nanos()));
        Ok(Self {
            attachments: Attachments::new(config.interfaces.clone()),
            intake: Intake::new(config.rate, Monotonic(monotonic_nanos())),
            roads: Roads::open(config.underlay.clone())?,
            output: Output::start(&config, format)?,
            snapshot: Snapshot::default(),
            remembered: HashMap::new(),
            last_sweep: Instant::now(),
            expiry: config.expiry_windows(jiffy_nanos()),
            deleted: 0,
            config,
            object,
            devices,
        })
    }

    /// Brings the attachments in line with the devices that exist.
    fn follow_devices(&mut self) -> Result<(), AgentError> {
        let devices = self.devices.borrow_and_update().clone();
        let wanted = self
            .roads
            .wanted_underlays(&devices.devices, &self.snapshot.outer)?;
        self.attachments
            .bring_in_line(&mut self.object, &devices.devices, &wanted);
        let mut control = self.object.control.get();
        control.ports_attached = u8::from(self.attachments.has_ports());
        self.object.control.set(control);
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), AgentError> {
        self.intake
            .take(&mut self.object, monotonic_nanos(), RECORDS)?;
        for trip in self.intake.settled(monotonic_nanos()) {
            self.output.round_trip(trip)?;
        }
        Ok(())
    }

    /// Hands out what is under way: events, round trips that wait for siblings, the open epoch.
    fn drain(&mut self) -> Result<(), AgentError> {
        self.take_events()?;
        for trip in self.intake.rest() {
            self.output.round_trip(trip)?;
        }
        self.sweep()
    }

    /// Ends an epoch: reads what it saw, names it, judges it and hands it out.
    fn sweep(&mut self) -> Result<(), AgentError> {
        let mut control = self.object.control.get();
        let epoch = control.epoch;
        control.epoch = epoch.wrapping_add(1);
        self.object.control.set(control);
        self.begin_paths();
        let silence = Silence {
            node: &self.config.node,
            now: Monotonic(monotonic_nanos()),
            epoch,
            echo_rate: control.echo_rate,
        };
        let last = self.intake.paths().last();
        read(&mut self.object, &mut self.snapshot, &silence, last)?;
        let lost = &self.snapshot.ledger;
        if let Some(rate) = self.intake.retune(&mut self.object, lost, silence.now)? {
            self.output.retune(rate);
        }
        self.intake
            .name_unknown(&mut self.object, &self.snapshot.seen)?;
        self.begin_paths();
        let devices = self.devices.borrow().clone();
        let points = self.attachments.devices(&devices.devices);
        self.roads
            .refresh(&self.snapshot.outer, &points, &devices)?;
        let mut context = Context {
            node: &self.config.node,
            devices: &points,
            underlays: self.roads.underlays(),
            remembered: &mut self.remembered,
        };
        let paths = assemble(&self.snapshot, self.intake.paths(), &mut context);
        let findings = self.roads.findings(&self.config.node, &paths);
        let ledger = self.ledger();
        let elapsed = self.last_sweep.elapsed();
        self.last_sweep = Instant::now();
        self.output.report(Report {
            paths,
            findings,
            ledger,
            devices: points,
            elapsed,
        })?;
        for lost in self.snapshot.unanswered.take() {
            self.output.lost(&lost)?;
        }
        self.intake
            .retire(&mut self.object, &self.snapshot, &mut self.remembered)?;
        self.clear_out()?;
        self.follow_devices()
    }

    /// What a number's rows hold when it is given away is not its new pair's.
    fn begin_paths(&mut self) {
        for path in self.intake.begun() {
            self.snapshot.rows.begin(path);
        }
    }

    /// Removes what was silent for long: flow entries, and outer flows that no entry refers to.
    fn clear_out(&mut self) -> Result<(), AgentError> {
        let Snapshot { seen, outer, .. } = &mut self.snapshot;
        for key in seen.expired(self.expiry) {
            self.deleted += u64::from(self.object.biflows.remove(key)?);
        }
        for key in outer.retire(|point, hash| seen.holds(point, hash)) {
            self.object.outer_flows.remove(&key)?;
        }
        Ok(())
    }

    /// The whole ledger: what the kernel, the intake and the attachments lost.
    fn ledger(&self) -> Ledger {
        let mut ledger = self.snapshot.ledger.clone();
        self.intake.add_to(&mut ledger, &self.object);
        self.attachments.add_to(&mut ledger);
        self.snapshot.unanswered.add_to(&mut ledger);
        let inserted = ledger.get("flow_inserted").copied().unwrap_or(0);
        let gone = inserted.saturating_sub(self.snapshot.seen.entries);
        ledger.insert("flow_evicted".to_owned(), gone.saturating_sub(self.deleted));
        ledger.insert(
            "outer_fragments.later".to_owned(),
            self.snapshot.outer.fragments(),
        );
        ledger
    }
}
