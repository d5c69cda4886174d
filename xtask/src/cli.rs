//! The command line of `cargo xtask`: verbs, options and exit codes. It does no work itself; each
//! verb is a module of its own.

mod dispatch;
pub mod exit;
pub mod lab;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::check::CheckArgs;
use crate::fuzz::FuzzArgs;
use crate::kernels::GuestArgs;
use crate::report;
use crate::run::RunArgs;
use crate::test::TestArgs;
use exit::Exit;
use lab::LabArgs;

/// Chores of the repository: set-up, tests, lab, benchmarks and the trial run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = exit::TABLE)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make the kernel tool chain ready; does nothing, without network, when it already is
    Setup,
    /// Show this machine's pod paths live, or a lab with a sick and a healthy path
    Run(RunArgs),
    /// Run every check and every test, and count what was skipped and why
    Test(TestArgs),
    /// Build, show and remove the lab of network namespaces
    Lab(LabArgs),
    /// Measure the cost per packet and per connection
    Bench(BenchArgs),
    /// Formatting, lints, licences, the rules of the house and the kernel programs' budget
    Check(CheckArgs),
    /// Look for inputs that break what reads packets, captures, settings and the kernel's answers
    Fuzz(FuzzArgs),
    /// Build the container image
    Image,
    /// Be the first process of a guest with another kernel
    #[command(hide = true)]
    Guest(GuestArgs),
    /// Serve one WireGuard device of the lab
    #[command(hide = true)]
    Wireguard(ServeArgs),
    /// Serve one delay device of the lab
    #[command(hide = true)]
    Delay(ServeArgs),
    /// Serve the relay of the lab
    #[command(hide = true)]
    Relay(ServeArgs),
    /// Serve one TCP proxy of the lab that delays
    #[command(hide = true)]
    TcpDelay(ServeArgs),
}

/// What a process of the lab serves.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Its configuration file
    #[arg(long)]
    pub config: PathBuf,
}

/// Reads the command line, does what it says, and returns one of the documented exit codes.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let Some(verb) = cli.verb else {
        report::line(Cli::command().render_help());
        return Exit::Done.into();
    };
    match dispatch::dispatch(&verb, &arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report::error(&failure);
            failure.exit().into()
        }
    }
}

/// Help and version are answers; anything else that clap says is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    let exit = if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    };
    match error.print() {
        Ok(()) => exit.into(),
        Err(cause) => {
            report::error(format_args!("print the help: {cause}"));
            Exit::Failed.into()
        }
    }
}

#[cfg(test)]
mod tests;
