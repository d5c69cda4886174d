//! `cargo xtask lab`: what can be asked of the lab, and which of its functions answers. It builds
//! nothing itself.

mod real;
mod small;

use std::fmt::Display;
use std::io;
use std::process::ExitStatus;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::exit::Exit;
use crate::components::{self, BuildArgs, ComponentsError};
use crate::lab::{BridgeNetfilter, Lab, LabError, Options, Scenario, WireId};
use crate::real::state::NAME as REAL;
use crate::real::{RealError, RealLab, scenario};
use crate::report;
use crate::run::RunError;
use crate::setup::{self, SetupError};

/// Arguments of `cargo xtask lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// What to do with the lab.
    #[command(subcommand)]
    pub verb: LabVerb,
}

/// What to do with the lab.
#[derive(Debug, Subcommand)]
pub enum LabVerb {
    /// Build a lab and leave it up
    Up(UpArgs),
    /// Remove a lab
    Down {
        /// Its name; not needed when only one is up
        name: Option<String>,
        /// Remove every lab
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Show a lab: nodes, addresses, pods, processes
    Status {
        /// Its name; not needed when only one is up
        name: Option<String>,
        /// `json` also says what an observer has to say about every pair of pods
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Open a shell in a node, a pod or the router (`wan`, in the real lab `inet`), or run a command there
    Shell {
        /// Such as n1, n1-a, or wan
        place: String,
        /// Name of the lab; not needed when only one is up
        #[arg(long)]
        name: Option<String>,
        /// The command, after `--`
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// List the labs that are up, and the scenarios there are
    List,
    /// Take the fault of the real lab that is up away, as the fix would
    Undo,
    /// Check by oracles alone that scenarios with real components are what they are said to be
    Verify(real::VerifyArgs),
    /// Run scenarios under observers, and compare what they give
    Observe(real::ObserveArgs),
    /// Build the programs that the real lab runs: tailscaled, headscale, flannel and their like
    Build(BuildArgs),
}

/// How a lab is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a lab is to be.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Scenario; `cargo xtask lab list` names them
    #[arg(default_value = "s1")]
    pub scenario: String,
    /// With real tailscaled, headscale, DERP servers, flanneld and CNI plugins
    #[arg(long, conflicts_with_all = ["name", "pods", "no_bridge_netfilter", "delay_box"])]
    pub real: bool,
    /// Name of the lab; the scenario's name without it
    #[arg(long)]
    pub name: Option<String>,
    /// Deals addresses, roles and order; random without it
    #[arg(long)]
    pub seed: Option<u64>,
    /// Pods per node; as few as the scenario needs without it
    #[arg(long)]
    pub pods: Option<usize>,
    /// Turn `br_netfilter` off in the nodes
    #[arg(long)]
    pub no_bridge_netfilter: bool,
    /// A wire that gets a delay box, such as n1:eth0; may be given more than once
    #[arg(long, value_name = "NODE:DEVICE", value_parser = wire)]
    pub delay_box: Vec<WireId>,
}

/// Why the lab did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabVerbError {
    /// The set-up failed.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A program of the real lab was not built.
    #[error(transparent)]
    Components(#[from] ComponentsError),
    /// A scenario could not be judged.
    #[error(transparent)]
    Real(#[from] RealError),
    /// The observer could not be built, or a scenario of the small lab could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No name was given and none follows.
    #[error("choose a lab: {0}")]
    Which(String),
    /// The shell or command could not be started.
    #[error("start a shell in {place}: {source}")]
    Shell {
        /// Node, pod or router.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Does what was asked of the lab.
///
/// # Errors
/// When the lab refuses or fails.
pub(super) fn run(arguments: &LabArgs) -> Result<Exit, LabVerbError> {
    match &arguments.verb {
        LabVerb::Up(options) => up(options)?,
        LabVerb::Down { all: true, .. } => {
            for name in names() {
                down(&name)?;
            }
        }
        LabVerb::Down { name, all: false } => down(&choose(name.as_deref(), &names())?)?,
        LabVerb::Status { name, format } => {
            let name = choose(name.as_deref(), &names())?;
            if name == REAL {
                let summary = RealLab::open()?.summary()?;
                show(&summary, *format);
            } else {
                show(&Lab::open(&name)?.status(), *format);
            }
        }
        LabVerb::Shell {
            place,
            name,
            command,
        } => return shell(place, &choose(name.as_deref(), &names())?, command),
        LabVerb::List => list(&names()),
        LabVerb::Undo => real::undo()?,
        LabVerb::Verify(options) => return Ok(real::verify(options)?),
        LabVerb::Observe(options) if options.small => return Ok(small::observe(options)?),
        LabVerb::Observe(options) => return Ok(real::observe(options)?),
        LabVerb::Build(options) => components::run(options)?,
    }
    Ok(Exit::Done)
}

/// Names of all labs that are up.
fn names() -> Vec<String> {
    let real = RealLab::is_there().then(|| REAL.to_owned());
    Lab::names().into_iter().chain(real).collect()
}

fn show(state: &(impl Serialize + Display), format: Format) {
    match format {
        Format::Json => report::line(serde_json::to_string_pretty(state).unwrap_or_default()),
        Format::Text => report::line(state),
    }
}

fn up(arguments: &UpArgs) -> Result<(), LabVerbError> {
    if arguments.real {
        return Ok(real::up(&arguments.scenario, arguments.seed)?);
    }
    let scenario: Scenario = arguments.scenario.parse().map_err(|unknown: String| {
        let hint = scenario::find(&arguments.scenario)
            .map(|known| format!("; {} is one with --real", known.id));
        LabError::Options(unknown + &hint.unwrap_or_default())
    })?;
    setup::ensure()?;
    let mut options = Options::new(scenario);
    options.pods_per_node = arguments.pods.unwrap_or(options.pods_per_node);
    if arguments.no_bridge_netfilter {
        options.bridge_netfilter = BridgeNetfilter::Off;
    }
    options.delay_boxes.clone_from(&arguments.delay_box);
    options.seed = arguments.seed.unwrap_or(options.seed);
    options.name = arguments.name.clone().unwrap_or(options.name);
    if options.name == REAL {
        let text = format!("{REAL} is the name of the lab with real components; choose another");
        return Err(LabError::Options(text).into());
    }
    let lab = Lab::up(options)?;
    let name = lab.topology().name.clone();
    lab.keep()?;
    report::line(Lab::open(&name)?.status());
    report::line(format_args!("remove it with: cargo xtask lab down {name}"));
    Ok(())
}

fn down(name: &str) -> Result<(), LabVerbError> {
    if name == REAL {
        RealLab::down()?;
    } else {
        Lab::down(name)?;
    }
    report::line(format_args!("lab {name} is removed"));
    Ok(())
}

fn shell(place: &str, name: &str, command: &[String]) -> Result<Exit, LabVerbError> {
    let own = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
    let words: Vec<&str> = if command.is_empty() {
        vec![&own]
    } else {
        command.iter().map(String::as_str).collect()
    };
    let mut process = if name == REAL {
        RealLab::open()?.command(place, &words)?
    } else {
        Lab::open(name)?.command(place, &words)?
    };
    let failed = |source| LabVerbError::Shell {
        place: place.to_owned(),
        source,
    };
    let status: ExitStatus = process.status().map_err(failed)?;
    Ok(if status.success() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn list(names: &[String]) {
    let up = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    report::line(format_args!("labs up: {up}"));
    let scenarios = Scenario::ALL.map(Scenario::name).join(", ");
    report::line(format_args!("scenarios: {scenarios}"));
    report::line("scenarios with real components (--real):");
    for scenario in scenario::ALL {
        report::line(format_args!("  {:<4} {}", scenario.id, scenario.title));
    }
}

/// The named lab, or the only one.
fn choose(name: Option<&str>, names: &[String]) -> Result<String, LabVerbError> {
    match (name, names) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(LabVerbError::Which(
            "none is up; `cargo xtask lab up` builds one".to_owned(),
        )),
        (None, several) => Err(LabVerbError::Which(format!(
            "up are {}",
            several.join(", ")
        ))),
    }
}

fn wire(text: &str) -> Result<WireId, String> {
    let (node, device) = text
        .split_once(':')
        .ok_or("not NODE:DEVICE, such as n1:eth0")?;
    Ok(WireId {
        node: node.to_owned(),
        device: device.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_chosen_by_name_or_by_being_the_only_one() {
        let two = ["h2".to_owned(), "s1".to_owned()];
        assert_eq!(choose(Some("s1"), &two).expect("by name"), "s1");
        assert_eq!(choose(None, &two[..1]).expect("the only one"), "h2");
        let said = choose(None, &two).expect_err("two are up").to_string();
        assert!(said.contains("h2, s1"), "{said}");
        assert!(choose(None, &[]).is_err());
    }

    #[test]
    fn a_wire_is_a_node_and_a_device() {
        let wire = wire("n1:eth0").expect("a wire");
        assert_eq!((wire.node.as_str(), wire.device.as_str()), ("n1", "eth0"));
        assert!(super::wire("n1").is_err());
    }
}
