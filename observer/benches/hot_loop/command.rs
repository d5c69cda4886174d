//! Command line of the benchmarks by test run: how much, and how to print. It measures nothing.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use super::row::{Row, table};
use super::stage::Failure;

/// Measures by test run; needs root.
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

/// Prints the rows that `measure` makes with the effort that was asked for.
pub(crate) fn run<E>(
    [full, quick]: [E; 2],
    measure: impl FnOnce(E) -> Result<Vec<Row>, Failure>,
) -> ExitCode {
    let arguments = Arguments::parse();
    match measure(if arguments.quick { quick } else { full }) {
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

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print(rows: &[Row], format: Format) {
    match format {
        Format::Table => print!("{}", table(rows)),
        Format::Json => {
            for row in rows {
                println!("{}", serde_json::to_string(row).unwrap_or_default());
            }
        }
    }
}
