//! Claiming a name and removing a lab, also one whose owner was killed.
//! It ends only processes of the record and removes only its namespaces.

use std::thread;
use std::time::Duration;

use super::children::GRACE;
use super::error::LabError;
use super::guests::Guests;
use super::netns::{self, Tool, batch};
use super::options::Options;
use super::process::Identity;
use super::record::{self, Ledger, Record, Remains};
use super::topology::Topology;

/// Claims the name of the options. The lab of a dead owner is removed first.
pub(super) fn claim(options: Options, topology: &Topology) -> Result<Ledger, LabError> {
    let name = options.name.clone();
    let fresh = Record {
        options,
        owner: Identity::own(),
        namespaces: topology.namespaces(),
        processes: Vec::new(),
        guests: Guests::default(),
    };
    claim_record(&name, fresh)
}

/// Claims the name for a record of any kind of lab.
pub(crate) fn claim_record<R: Remains>(name: &str, fresh: R) -> Result<Ledger<R>, LabError> {
    if let Some(ledger) = Ledger::claim(name, fresh.clone())? {
        return Ok(ledger);
    }
    let old: R = record::read(name)?;
    let taken = |held: String| LabError::NameTaken {
        name: name.to_owned(),
        held,
    };
    match old.owner() {
        None => return Err(taken(" and was left up on purpose".into())),
        Some(owner) if owner.is_alive() => {
            return Err(taken(format!(", held by process {}", owner.pid)));
        }
        Some(_) => remove(&old)?,
    }
    Ledger::claim(name, fresh)?.ok_or_else(|| taken(", claimed a moment ago".into()))
}

/// Removes the labs of dead owners.
pub(super) fn sweep() -> Result<Vec<String>, LabError> {
    let mut removed = Vec::new();
    for name in record::names::<Record>() {
        // A record that is gone by now belongs to a lab that is just being removed.
        let Ok(record) = record::read::<Record>(&name) else {
            continue;
        };
        if record.owner.as_ref().is_some_and(|owner| !owner.is_alive()) {
            remove(&record)?;
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Removes everything a record names, the record last.
pub(crate) fn remove<R: Remains>(record: &R) -> Result<(), LabError> {
    // All at once: each may take its time to end in order.
    thread::scope(|scope| {
        for process in record.processes() {
            scope.spawn(move || process.end(grace_of(process)));
        }
    });
    remove_namespaces(record.namespaces())?;
    record::erase(record)
}

/// Removes those namespaces that are there; somebody else may be removing them too.
fn remove_namespaces(names: &[String]) -> Result<(), LabError> {
    let left = || names.iter().filter(|name| netns::exists(name));
    let lines: Vec<String> = left().map(|name| format!("netns del {name}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    if lines.is_empty() {
        return Ok(());
    }
    match batch(Tool::IpForce, None, &lines) {
        Err(cause) if left().next().is_some() => Err(cause),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The lab's own processes hold nothing worth an orderly end.
fn grace_of(process: &Identity) -> Duration {
    let own = ["wireguard-", "delay-", "relay"]
        .iter()
        .any(|prefix| process.what.starts_with(prefix));
    if own {
        Duration::from_millis(200)
    } else {
        GRACE
    }
}
