//! What a storm of new flows costs per packet, against an insert into a full LRU of the same run, and
//! what it costs to read many flows, against a walk over their keys. By `BPF_PROG_TEST_RUN`; needs
//! root. `cargo xtask bench` calls it.

#[path = "hot_loop/command.rs"]
mod command;
#[path = "against/peer.rs"]
mod peer;
#[path = "load/read.rs"]
mod read;
#[path = "hot_loop/row.rs"]
mod row;
#[path = "hot_loop/stage.rs"]
mod stage;
#[path = "load/storm.rs"]
mod storm;

use std::process::ExitCode;

use peer::spec::Spec;
use row::Row;
use stage::Failure;

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    /// Numbers per row.
    rounds: usize,
    /// New flows per number.
    flows: u32,
}

const FULL: Effort = Effort {
    rounds: 15,
    flows: 65_536,
};
const QUICK: Effort = Effort {
    rounds: 7,
    flows: 16_384,
};

fn main() -> ExitCode {
    command::run([FULL, QUICK], measured)
}

fn measured(effort: Effort, peers: &[Spec]) -> Result<Vec<Row>, Failure> {
    let mut rows = storm::rows(effort, peers)?;
    rows.extend(read::rows(effort)?);
    Ok(rows)
}
