//! What can be asked of the benchmark, and how much it then measures.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Shorter and fewer rounds: under a minute, less sure
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
    /// Bulk transfers with programs on one device
    Bulk,
    /// Bulk and ping-pong with the whole agent in one and in both nodes
    Whole,
    /// From the agent's start to the first classed path
    Start,
    /// Memory and processor time of the agent
    Agent,
    /// A storm of new flows, and reading many, by test run
    Storm,
    /// Memory, processor time and events of an agent with ten thousand flows
    Load,
}

/// All parts in the order in which they are measured.
pub(super) const PARTS: [Part; 8] = [
    Part::Hot,
    Part::Overhead,
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
    /// Rounds of ping-pong with programs on one device.
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
/// Under a minute.
pub(super) const QUICK: Effort = Effort {
    is_quick: true,
    rounds: 5,
    pairs: 5,
    block: Duration::from_millis(400),
    starts: 1,
    watch: Duration::from_secs(6),
};
