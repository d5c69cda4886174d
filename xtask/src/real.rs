//! The real tailnet lab: real tailscaled, headscale, DERP servers, flanneld and CNI plugins in
//! network namespaces of one machine. It never touches an address, route or rule of the namespace
//! it is called from, and leaves nothing behind.
//!
//! [`RealLab::up`] builds a [`Scenario`] and returns a guard; dropping it, also on an error half
//! way, removes everything. See `docs/real-lab.md`.

mod again;
pub(crate) mod await_true;
mod barriers;
mod captures;
mod control;
pub mod counters;
mod error;
pub mod evidence;
pub mod flannel;
mod http;
pub mod interrupt;
mod judge;
mod kept;
pub mod layout;
mod load;
mod machine;
mod mesh;
pub mod needs;
pub mod observe;
pub mod plan;
mod pods;
pub mod relays;
mod renumbering;
pub mod scenario;
pub mod state;
pub mod status;
mod steering;
mod summary;
pub mod tailscaled;
mod telemetry;
pub mod verify;
mod vpn;
pub mod watch;
mod wires;

use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use self::error::RealError;
use self::plan::{Node, Plan};
use self::scenario::Scenario;
use self::state::{NAME, State};
use crate::components::Binaries;
use crate::lab::record::{self, Ledger};
use crate::lab::{Identity, LabError, netns, removal};
use crate::report;

/// The real lab that is up.
#[derive(Debug)]
pub struct RealLab {
    scenario: &'static Scenario,
    plan: Plan,
    programs: Binaries,
    ledger: Arc<Ledger<State>>,
    children: Mutex<Vec<(Identity, Child)>>,
    tear_down: bool,
}

impl RealLab {
    /// Builds the lab, its scenario with the fault included, and waits until the pods talk that can.
    ///
    /// What a killed run left is removed first; a lab that is up is refused.
    pub fn up(scenario: &'static Scenario, seed: u64) -> Result<Self, LabError> {
        let programs = needs::programs()?;
        let plan = Plan::new(scenario.layout, seed);
        let claimed = removal::claim_record(NAME, State::new(scenario.id, &plan));
        let ledger = claimed.map_err(one_at_a_time)?;
        // From here on the guard cleans up, also when a step fails.
        let lab = Self {
            scenario,
            plan,
            programs,
            ledger: Arc::new(ledger),
            children: Mutex::default(),
            tear_down: true,
        };
        // Nothing is the lab's own, to be removed with it, before it is known to be nobody else's.
        refuse_strangers(&lab.plan)?;
        lab.note(|state| state.namespaces = lab.plan.namespaces())?;
        if let Err(cause) = lab.build() {
            lab.keep_files();
            return Err(cause);
        }
        Ok(lab)
    }

    /// Opens the lab that is up; dropping this does not remove it.
    pub fn open() -> Result<Self, LabError> {
        let ledger = Ledger::<State>::open(NAME)?;
        let state = ledger.record();
        let scenario = scenario::find(&state.scenario).map_err(LabError::Options)?;
        let programs = needs::programs()?;
        Ok(Self {
            scenario,
            plan: Plan::new(scenario.layout, state.seed),
            programs,
            ledger: Arc::new(ledger),
            children: Mutex::default(),
            tear_down: false,
        })
    }

    /// Whether a real lab is up, or left by a killed run.
    #[must_use]
    pub fn is_there() -> bool {
        !record::names::<State>().is_empty()
    }

    /// Whether the lab that is there is this process's.
    #[must_use]
    pub fn is_own() -> bool {
        let owner = record::read::<State>(NAME)
            .ok()
            .and_then(|state| state.owner);
        owner.is_some() && owner == Identity::own()
    }

    /// Lets the lab stay after this process; [`RealLab::down`] removes it.
    pub fn keep(mut self) -> Result<(), LabError> {
        self.ledger.update(|state| state.owner = None)?;
        self.tear_down = false;
        Ok(())
    }

    /// Keeps the files of a lab whose run ends with an error, and says where.
    fn keep_files(&self) {
        if interrupt::has_come() {
            return;
        }
        match kept::keep(self) {
            Ok(folder) => {
                report::progress(format_args!("its files are kept in {}", folder.display()));
            }
            Err(cause) => report::error(cause),
        }
    }

    /// Removes the lab whoever brought it up, and whatever of it is left.
    pub fn down() -> Result<(), LabError> {
        removal::remove(&record::read::<State>(NAME)?)
    }

    /// Undoes the fault; false if the scenario has none.
    pub fn undo(&self) -> Result<bool, LabError> {
        let Some(undo) = self.scenario.undo else {
            return Ok(false);
        };
        undo(self)?;
        self.note(|state| state.undone = true)?;
        Ok(true)
    }

    /// What it shows.
    #[must_use]
    pub fn scenario(&self) -> &'static Scenario {
        self.scenario
    }

    /// The lab as data.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The nodes that play a part.
    pub fn role(&self, role: &str) -> Result<&Node, LabError> {
        let mut nodes = self.plan.of_role(role);
        nodes
            .next()
            .ok_or_else(|| LabError::Options(format!("no node plays {role} here")))
    }

    fn build(&self) -> Result<(), LabError> {
        self.phase("namespaces and wires", |lab| {
            for folder in state::resolvers(&lab.plan.namespaces()) {
                fs::create_dir_all(&folder)
                    .and_then(|()| fs::write(folder.join(state::RESOLVER), ""))
                    .map_err(|cause| LabError::io(format!("make {}", folder.display()), cause))?;
            }
            wires::build(lab)
        })?;
        self.phase("control server and relays", |lab| {
            flannel::start_store(lab)?;
            relays::start(lab)?;
            control::start(lab)?;
            lab.write("key", &control::key(lab)?).map(|_| ())
        })?;
        self.phase("tailscaled on every node", |lab| {
            let port = tailscaled::PORT;
            lab.on_every_node(|node| tailscaled::join(lab, &node.name, port, &[]).map(|_| ()))
        })?;
        self.phase("pod network and scenario", |lab| (lab.scenario.build)(lab))?;
        self.phase("first packets", RealLab::await_talking)
    }

    /// Does a part of the building and writes down how long it took.
    fn phase(
        &self,
        name: &str,
        work: impl FnOnce(&Self) -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        let begun = Instant::now();
        let done = work(self);
        let took = begun.elapsed().as_secs_f64();
        self.note(|state| state.phases.push((name.to_owned(), took)))?;
        done
    }

    /// From nothing to pods that talk, in seconds.
    #[must_use]
    pub fn up_seconds(&self) -> f64 {
        let phases = self.ledger.record().phases;
        phases.iter().map(|(_, took)| took).sum()
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.ledger.directory()
    }

    fn children(&self) -> MutexGuard<'_, Vec<(Identity, Child)>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a machine on which somebody else has what the lab would make.
fn refuse_strangers(plan: &Plan) -> Result<(), LabError> {
    let namespaces = plan.namespaces();
    if let Some(taken) = namespaces.iter().find(|name| netns::exists(name)) {
        return Err(LabError::Refused(format!(
            "a namespace {taken} that is not the lab's is there; remove it with \
             `ip netns del {taken}`"
        )));
    }
    if let Some(taken) = state::foreign(&state::resolvers(&namespaces)) {
        let taken = taken.display();
        return Err(LabError::Refused(format!(
            "{taken} is somebody else's, and the lab has one of this name while it is up; \
             move it away"
        )));
    }
    Ok(())
}

/// A second lab is refused in words that fit.
fn one_at_a_time(cause: LabError) -> LabError {
    let LabError::NameTaken { held, .. } = &cause else {
        return cause;
    };
    LabError::Refused(format!(
        "a real lab is up{held}; its namespaces have fixed names, so there is one at a time: \
         `cargo xtask lab down {NAME}` removes it"
    ))
}

impl Drop for RealLab {
    fn drop(&mut self) {
        if !self.tear_down {
            return;
        }
        let removed = removal::remove(&self.ledger.record());
        for (identity, child) in self.children().iter_mut() {
            if let Err(cause) = child.wait() {
                eprintln!("reap {}: {cause}", identity.what);
            }
        }
        if let Err(cause) = removed {
            eprintln!("remove the real lab: {cause}");
        }
    }
}
