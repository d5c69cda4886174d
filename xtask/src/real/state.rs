//! What the real lab leaves on the machine, so that a killed run can be cleaned up, and what was
//! learnt while it was built. There is one real lab at a time: its namespaces have fixed names.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::lab::Identity;
use crate::lab::record::Remains;

/// The name of the one real lab.
pub const NAME: &str = "real";
/// The one file in the folders of [`resolvers`].
pub(super) const RESOLVER: &str = "resolv.conf";

/// Everything needed to show the lab or to remove it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// Id of its scenario.
    pub scenario: String,
    /// What dealt its plan.
    pub seed: u64,
    /// Who tears it down; none for a lab that is meant to stay.
    pub owner: Option<Identity>,
    /// Every namespace, written before the first is made, and not before they are known to be free.
    pub namespaces: Vec<String>,
    /// Every process that was started and not seen ending.
    pub processes: Vec<Identity>,
    /// Tailnet address of every machine that has joined, by name of node or proxy pod.
    #[serde(default)]
    pub tailnet: BTreeMap<String, Ipv4Addr>,
    /// Address and port of every pod, by name.
    #[serde(default)]
    pub pods: BTreeMap<String, Attached>,
    /// Whether the fault of the scenario has been undone.
    #[serde(default)]
    pub undone: bool,
    /// Seconds that each phase of building took, in order.
    #[serde(default)]
    pub phases: Vec<(String, f64)>,
}

/// A pod as the CNI plugin has attached it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Its address.
    pub address: Ipv4Addr,
    /// Name of the port of cni0 that leads to it.
    pub host_veth: String,
}

impl State {
    /// The state of a lab of which nothing is made yet.
    pub(super) fn new(scenario: &str, plan: &Plan) -> Self {
        Self {
            scenario: scenario.to_owned(),
            seed: plan.seed,
            owner: Identity::own(),
            namespaces: Vec::new(),
            processes: Vec::new(),
            tailnet: BTreeMap::new(),
            pods: BTreeMap::new(),
            undone: false,
            phases: Vec::new(),
        }
    }
}

/// Folders with a `resolv.conf` that `ip netns exec` shows instead of the machine's.
pub(super) fn resolvers(namespaces: &[String]) -> Vec<PathBuf> {
    let folder = |name: &String| Path::new("/etc/netns").join(name);
    namespaces.iter().map(folder).collect()
}

/// The first of these folders with anything that the lab does not write: it is somebody else's. An
/// empty `resolv.conf` may be the lab's own, from before the machine was switched off.
pub(super) fn foreign(folders: &[PathBuf]) -> Option<&PathBuf> {
    folders.iter().find(|folder| {
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|entry| {
            let is_empty = entry.metadata().is_ok_and(|file| file.len() == 0);
            entry.file_name() != RESOLVER || !is_empty
        })
    })
}

impl Remains for State {
    const ROOT: &'static str = "/run/netpath-real";

    fn name(&self) -> &str {
        NAME
    }

    fn owner(&self) -> Option<&Identity> {
        self.owner.as_ref()
    }

    fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    fn processes(&self) -> &[Identity] {
        &self.processes
    }

    fn processes_mut(&mut self) -> &mut Vec<Identity> {
        &mut self.processes
    }

    fn folders(&self) -> Vec<PathBuf> {
        resolvers(&self.namespaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_settings_is_somebody_elses() {
        let own = std::env::temp_dir().join(format!("real-state-{}", std::process::id()));
        fs::create_dir_all(&own).expect("a folder");
        let folders = [own.join("not-there"), own.clone()];
        assert_eq!(foreign(&folders), None);
        fs::write(own.join(RESOLVER), "").expect("the lab's file");
        assert_eq!(foreign(&folders), None);
        fs::write(own.join(RESOLVER), "nameserver 192.0.2.1\n").expect("a setting");
        assert_eq!(foreign(&folders), Some(&own));
        fs::write(own.join(RESOLVER), "").expect("the lab's file");
        fs::write(own.join("hosts"), "").expect("another file");
        assert_eq!(foreign(&folders), Some(&own));
        fs::remove_dir_all(own).expect("no folder");
    }
}
