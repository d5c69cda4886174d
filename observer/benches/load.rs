//! What a storm of new flows costs per packet, against an insert into a full LRU of the same run, and
//! what it costs to read many flows, against a walk over their keys. By `BPF_PROG_TEST_RUN`; needs
//! root. `cargo xtask bench` calls it.

#[path = "load/read.rs"]
mod read;
#[path = "hot_loop/row.rs"]
mod row;
#[path = "hot_loop/stage.rs"]
mod stage;
#[path = "load/storm.rs"]
mod storm;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use row::Row;
use stage::Failure;

/// Cost of new flows and of reading many.
#[derive(Debug, Parser)]
struct Arguments {
    /// Fewer and shorter runs
    #[arg(long)]
    quick: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

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
    let arguments = Arguments::parse();
    match measured(if arguments.quick { QUICK } else { FULL }) {
        Ok(rows) => {
            print(&rows, arguments.format);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measured(effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut rows = storm::rows(effort)?;
    rows.extend(read::rows(effort)?);
    Ok(rows)
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print(rows: &[Row], format: Format) {
    match format {
        Format::Table => print!("{}", row::table(rows)),
        Format::Json => {
            for row in rows {
                println!("{}", serde_json::to_string(row).unwrap_or_default());
            }
        }
    }
}
