//! Command line of the benchmarks by test run: how much, and how to print. It measures nothing.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use super::peer::Peer;
use super::peer::spec::{FORM, Spec};
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
    /// Other tools' programs to measure beside ours
    #[arg(long, value_name = FORM)]
    against: Vec<Spec>,
    /// Only loads what `--against` names
    #[arg(long)]
    check: bool,
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
    measure: impl FnOnce(E, &[Spec]) -> Result<Vec<Row>, Failure>,
) -> ExitCode {
    let arguments = Arguments::parse();
    let effort = if arguments.quick { quick } else { full };
    let rows = if arguments.check {
        check(&arguments.against).map(|()| Vec::new())
    } else {
        measure(effort, &arguments.against)
    };
    match rows {
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

fn check(against: &[Spec]) -> Result<(), Failure> {
    for spec in against {
        Peer::load(spec)?;
    }
    Ok(())
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
