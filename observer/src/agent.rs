//! Composition root: builds everything from the settings, runs it, and takes it down in order.
//!
//! Never: a decision of its own. Each sweep asks the modules in turn and hands on what they say.

mod announcers;
mod arrivals;
mod attaching;
mod attachments;
mod detours;
mod drops;
mod error;
mod intake;
mod lock;
mod memory;
mod nodes;
mod output;
mod printer;
mod provisional;
mod pulse;
mod refusals;
mod relays;
mod roads;
mod signals;
mod supervisor;
mod translations;
mod turns;
mod upkeep;
mod waiting;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use observer_ebpf::units::Monotonic;
use tokio::sync::watch;

use crate::config::{Config, Xdp};
use crate::interfaces::Snapshot as Devices;
use crate::kernel::{Object, Sizes, jiffy_nanos, monotonic_nanos};
use crate::latency::Silence;
use crate::path::RelayModes;
use crate::sweep::{Context, Remembered, Snapshot, assemble, crossed, plain_destinations, read};

use attachments::Attachments;
pub use error::AgentError;
use intake::Intake;
pub use output::Format;
use output::{Output, Report};
use roads::Roads;
pub use signals::Ending;
use supervisor::Tie;
pub use supervisor::run;

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

struct Agent {
    config: Config,
    object: Object,
    devices: watch::Receiver<Arc<Devices>>,
    attachments: Attachments,
    intake: Intake,
    roads: Roads,
    nodes: nodes::Nodes,
    relays: relays::Relays,
    drops: drops::Drops,
    snapshot: Snapshot,
    output: Output,
    remembered: Remembered,
    relay: RelayModes,
    last_sweep: Instant,
    expiry: u32,
}

impl Agent {
    fn new(
        config: Config,
        format: Format,
        devices: watch::Receiver<Arc<Devices>>,
        tie: Tie,
    ) -> Result<Self, AgentError> {
        let sizes = Sizes {
            biflows: config.flows,
            ring: config.ring,
            wired: config.xdp != Xdp::Off,
        };
        let mut object = Object::load(sizes)?;
        for network in &config.networks {
            object.networks.put(&network.key(), &1)?;
        }
        object.control.set(config.control(jiffy_nanos()));
        let way = attaching::begin(config.attach);
        let relays = relays::Relays::named(&config.relays, &mut object)?;
        Ok(Self {
            attachments: Attachments::new(config.interfaces.clone(), (way, config.xdp), tie),
            intake: Intake::new(&config, Monotonic(monotonic_nanos())),
            roads: Roads::open(config.underlay.clone())?,
            nodes: nodes::Nodes::default(),
            relays,
            drops: drops::Drops::default(),
            output: Output::start(&config, format)?,
            snapshot: Snapshot::default(),
            remembered: Remembered::new(),
            relay: RelayModes::default(),
            last_sweep: Instant::now(),
            expiry: config.expiry_windows(jiffy_nanos()),
            config,
            object,
            devices,
        })
    }

    /// Brings the attachments in line with the devices that exist.
    fn follow_devices(&mut self) -> Result<(), AgentError> {
        let devices = self.devices.borrow_and_update().clone();
        self.follow_nodes(&devices)?;
        let wanted = self
            .roads
            .wanted_underlays(&devices.devices, &self.snapshot.outer)?;
        self.attachments
            .bring_in_line(&mut self.object, &devices.devices, &wanted)?;
        self.attachments.tell_ports(&mut self.object);
        Ok(())
    }

    /// Begins to watch packets that the kernel drops.
    fn watch_drops(&mut self) {
        self.drops.begin(&mut self.object);
    }

    /// Takes what the ring holds, up to [`RECORDS`]; how many there were.
    fn take_events(&mut self) -> Result<usize, AgentError> {
        let taken = self
            .intake
            .take(&mut self.object, monotonic_nanos(), RECORDS)?;
        let settled = self.intake.settled(&mut self.object, monotonic_nanos())?;
        for trip in settled {
            self.output.round_trip(trip)?;
        }
        for event in self.intake.refused() {
            let at = |point| self.attachments.name_at(point);
            refusals::tell(&event, &self.devices.borrow(), at);
        }
        Ok(taken)
    }

    /// Hands out what is under way: events, round trips that wait for siblings, the open epoch.
    fn drain(&mut self) -> Result<(), AgentError> {
        while self.take_events()? == RECORDS {}
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
        self.intake.begin_sweep(silence.now.0);
        read(
            &mut self.object,
            &mut self.snapshot,
            &silence,
            last,
            |key, standing| self.intake.stands(key, standing),
        )?;
        let lost = &self.snapshot.ledger;
        if let Some(rate) = self.intake.retune(&mut self.object, lost, silence.now)? {
            self.output.retune(rate);
        }
        self.intake
            .name_unknown(&mut self.object, &self.snapshot.seen)?;
        self.begin_paths();
        let devices = self.devices.borrow().clone();
        self.drops.follow(&mut self.object, &devices);
        let points = self.attachments.devices(&devices.devices);
        let numbers = self.intake.paths();
        let peers = crossed(&self.snapshot, numbers, &self.remembered);
        for (leg, peers) in self.snapshot.legs.iter_mut().zip(peers) {
            leg.peers = peers;
        }
        self.relay
            .advance(&self.snapshot.legs, |path| numbers.pair(path).is_some());
        self.relays
            .follow(&mut self.object, self.relay.awaited(), Instant::now())?;
        self.roads
            .refresh(&self.snapshot, &self.relay, &points, &devices)?;
        let plain = plain_destinations(&self.snapshot, self.intake.paths());
        self.roads.follow_plain(plain)?;
        let mut context = Context {
            node: &self.config.node,
            devices: &points,
            underlays: self.roads.underlays(),
            strays: self.roads.strays(),
            translations: self.intake.translations(),
            remembered: &mut self.remembered,
            relay: &mut self.relay,
            drops: self.drops.names(),
        };
        let paths = assemble(&self.snapshot, self.intake.paths(), &mut context);
        let node = &self.config.node;
        let mut findings = self.roads.findings(node, &paths, &self.relay);
        findings.extend(drops::findings(node, &paths, &points));
        let routing = self.roads.routing();
        findings.extend(announcers::findings(routing, node, &paths, &points)?);
        findings.sort_by_key(|found| Reverse(found.cost));
        let ledger = self.ledger();
        let wires = self.attachments.wires(&mut self.object)?;
        let elapsed = self.last_sweep.elapsed();
        self.last_sweep = Instant::now();
        self.output.report(Report {
            paths,
            findings,
            ledger,
            devices: points,
            wires,
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
}
