//! What a caller may ask of a lab. Nothing here looks at running labs.

use std::env;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::{BridgeNetfilter, Scenario};

/// What a lab is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Which scenario.
    pub scenario: Scenario,
    /// Deals addresses, roles and order.
    pub seed: u64,
    /// Name of the lab: part of every namespace name, unique on the machine.
    pub name: String,
    /// Pods per node, at least what the scenario needs and at most 8.
    pub pods_per_node: usize,
    /// Wires that get a delay box; TAPs lower their rate.
    pub delay_boxes: Vec<WireId>,
    /// Whether the nodes' bridges hand their frames to netfilter.
    #[serde(default)]
    pub bridge_netfilter: BridgeNetfilter,
    /// Executable with the hidden verbs `wireguard`, `delay` and `relay`; none: found beside this one.
    pub program: Option<PathBuf>,
}

/// One underlay wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireId {
    /// Name of the node.
    pub node: String,
    /// Name of its device, `eth0` or `lima0`.
    pub device: String,
}

/// Longest lab name: what keeps `ip netns` tables readable.
const LONGEST_NAME: usize = 24;
/// Most pods per node.
const MOST_PODS: usize = 8;

impl Options {
    /// A lab named after its scenario, with a random seed and as few pods as it needs.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            // Short enough to be typed again.
            seed: fastrand::u64(..1_000_000),
            name: scenario.name().to_owned(),
            pods_per_node: scenario.least_pods(),
            delay_boxes: Vec::new(),
            bridge_netfilter: BridgeNetfilter::default(),
            program: None,
        }
    }

    /// The same with a given seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with a given name.
    #[must_use]
    pub fn with_name(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    /// Refuses what cannot be built.
    pub(crate) fn check(&self) -> Result<(), LabError> {
        check_name(&self.name)?;
        let least = self.scenario.least_pods();
        if !(least..=MOST_PODS).contains(&self.pods_per_node) {
            let asked = self.pods_per_node;
            return Err(LabError::Options(format!(
                "{asked} pods per node; possible in {} are {least} to {MOST_PODS}",
                self.scenario.name()
            )));
        }
        self.bridge_netfilter.check()?;
        let topology = super::scenario::topology(self);
        let boxes = topology.nodes.iter().flat_map(|node| &node.devices);
        let placed = boxes.filter(|device| device.delay_box).count();
        if placed == self.delay_boxes.len() {
            return Ok(());
        }
        let wires = topology.nodes.iter().flat_map(|node| {
            node.devices
                .iter()
                .map(move |device| format!("{} {}", node.name, device.name))
        });
        let known: Vec<String> = wires.collect();
        Err(LabError::Options(format!(
            "a delay box in a wire that is not there or twice; wires are {}",
            known.join(", ")
        )))
    }

    /// The executable that runs the lab's own processes.
    pub(crate) fn program(&self) -> Result<PathBuf, LabError> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        own_program()
    }
}

/// The executable with the hidden verbs, beside the one that runs.
pub(crate) fn own_program() -> Result<PathBuf, LabError> {
    let own = env::current_exe().map_err(|cause| LabError::io("find own executable", cause))?;
    // A test lies in `deps` below the directory of the program.
    let mut beside = own.ancestors().map(|folder| folder.join("xtask"));
    let found = beside.find(|path| path.is_file());
    found.ok_or_else(|| {
        LabError::Options(format!(
            "no program xtask beside {}; build it with `cargo build -p xtask`",
            own.display()
        ))
    })
}

/// A name has to fit into namespace names and paths.
pub(crate) fn check_name(name: &str) -> Result<(), LabError> {
    let fits =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    if starts_well && name.len() <= LONGEST_NAME && name.chars().all(fits) {
        return Ok(());
    }
    Err(LabError::Options(format!(
        "lab name `{name}`; use a letter, then at most {} of a-z, 0-9 and `-`",
        LONGEST_NAME - 1
    )))
}

#[cfg(test)]
mod tests {
    use super::{Options, Scenario, WireId, check_name};

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        let good = ["s1", "h2-twin"].map(|name| check_name(name).is_ok());
        let bad = [
            "",
            "..",
            "a/b",
            "-a",
            "A",
            "a.b",
            "aaaaaaaaaaaaaaaaaaaaaaaaa",
        ];
        assert_eq!(good, [true, true]);
        assert!(bad.iter().all(|name| check_name(name).is_err()));
    }

    #[test]
    fn fewer_pods_than_the_scenario_needs_are_refused() {
        let options = Options {
            pods_per_node: 1,
            ..Options::new(Scenario::H2c)
        };
        let text = options.check().expect_err("two Services").to_string();
        assert!(text.contains("possible in h2c are 2 to 8"), "{text}");
    }

    #[test]
    fn delay_box_in_a_missing_wire_is_refused_with_the_wires_there_are() {
        let wire = WireId {
            node: "n1".into(),
            device: "lima0".into(),
        };
        let options = Options {
            delay_boxes: vec![wire],
            ..Options::new(Scenario::S1)
        };
        let text = options.check().expect_err("S1 has no lima0").to_string();
        assert!(text.contains("n1 eth0, n2 eth0, n3 eth0"), "{text}");
    }
}
