//! What can be asked of the benchmark, and how much it then measures.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::spec::{FORM, Spec};

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Shorter and fewer rounds: two minutes, less sure
    #[arg(long)]
    pub quick: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Fail if a bar is missed or a row with a bar could not be measured
    #[arg(long)]
    pub strict: bool,
    /// Only these parts; all without it
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Other tools' TC programs beside ours: on the same frames, at the same hooks, in the same run
    #[arg(long, value_name = FORM)]
    pub(super) against: Vec<Spec>,
    /// Takes the rows that an earlier run printed with `--format json`, and measures nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "only", "against"])]
    pub rows: Option<PathBuf>,
    /// Writes the rows into README.md and docs/reference/cost.md
    #[arg(long)]
    pub write: bool,
}

impl BenchArgs {
    /// What was asked for, as typed, but objects by their own names alone.
    pub(super) fn typed(&self) -> String {
        let mut typed = "cargo xtask bench".to_owned();
        if self.quick {
            typed.push_str(" --quick");
        }
        if !self.only.is_empty() {
            let names: Vec<_> = self.only.iter().map(|part| part.name()).collect();
            typed = format!("{typed} --only {}", names.join(","));
        }
        for peer in &self.against {
            let folder = peer.object.parent().map(|folder| folder.join(""));
            let folder = folder.map_or_else(String::new, |path| path.display().to_string());
            typed = format!("{typed} --against {}", peer.text.replacen(&folder, "", 1));
        }
        typed
    }
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for a person.
    Table,
    /// One JSON object per row.
    Json,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// One packet through one program, by test run
    Hot,
    /// Ping-pong with programs on one device
    Overhead,
    /// A flood of UDP datagrams with programs on one device
    Flood,
    /// Bulk transfers with programs on one device
    Bulk,
    /// Bulk and ping-pong with the whole agent in one and in both nodes
    Whole,
    /// From the agent's start to the first classed path
    Start,
    /// Memory, processor time and wake-ups of the agent
    Agent,
    /// A storm of new flows, and reading many, by test run
    Storm,
    /// Memory, processor time and events of an agent with ten thousand flows
    Load,
}

impl Part {
    /// As it is typed.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// All parts in the order in which they are measured.
pub(super) const PARTS: [Part; 9] = [
    Part::Hot,
    Part::Overhead,
    Part::Flood,
    Part::Bulk,
    Part::Whole,
    Part::Start,
    Part::Agent,
    Part::Storm,
    Part::Load,
];

/// How long and how often the live parts measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Less of everything.
    pub(super) is_quick: bool,
    /// Rounds of ping-pong and of datagrams with programs on one device.
    pub(super) rounds: usize,
    /// Rounds with and without the whole agent.
    pub(super) pairs: usize,
    /// Length of a block.
    pub(super) block: Duration,
    /// Starts of the agent.
    pub(super) starts: usize,
    /// How long the agent's own cost is watched.
    pub(super) watch: Duration,
}

/// Minutes.
pub(super) const FULL: Effort = Effort {
    is_quick: false,
    rounds: 12,
    pairs: 20,
    block: Duration::from_secs(1),
    starts: 5,
    watch: Duration::from_mins(1),
};
/// Two minutes.
pub(super) const QUICK: Effort = Effort {
    is_quick: true,
    rounds: 6,
    pairs: 6,
    block: Duration::from_millis(400),
    starts: 1,
    watch: Duration::from_secs(6),
};
