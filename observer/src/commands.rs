//! The command line's verbs: arguments in, exit code out. No logic of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::agent::{self, Ending, Format, Task};
use crate::config::{Config, File, LogLevel, Network, Overrides, Xdp, parse_duration};
use crate::record::live::{self, Recording};
use crate::replay;

/// Sees what pod traffic really does on the network.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 ended as asked; 1 failed while running; 2 wrong arguments or \
                          settings; 3 the kernel or the rights are in the way; 4 the end took longer \
                          than its grace; 5 another observer runs in this network namespace; 6 a \
                          part of the observer died or hangs.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Observe this node until a signal ends it.
    Run(RunArgs),
    /// Write the bundle of this node, packets and tables, until a signal ends it.
    Record(RecordArgs),
    /// Say what the captures of node bundles show, as one document.
    Replay(ReplayArgs),
    /// Print a settings file with every key, its default and its meaning.
    Config,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Settings file (TOML); `observer config` prints one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How reports are printed: a live table, JSON lines, or not at all.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// End after this time, as in 20s.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Time between two reports, as in 5s.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    interval: Option<Duration>,
    /// Send spans and metrics to this OTLP gRPC endpoint, as in <http://127.0.0.1:4317>.
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Networks of all pods, one per address family, as in k3s.
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    cluster_cidr: Vec<Network>,
    /// Name of this node in reports; the host name if left out.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Follow one TCP timestamp in this many as a round trip, a power of two.
    #[arg(long, value_name = "N")]
    sample_one_in: Option<u32>,
    /// What is worth a line on standard error.
    #[arg(long, value_enum)]
    log: Option<LogLevel>,
    /// Arrival times and counts on the wire at underlays.
    #[arg(long, value_enum)]
    xdp: Option<Xdp>,
}

#[derive(Debug, Args)]
struct RecordArgs {
    /// Folder of the bundle, new or empty.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// End after this time, as in 20s.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Networks of all pods, one per address family, as in k3s.
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    cluster_cidr: Vec<Network>,
    /// Name of this node in the bundle; the host name if left out.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Keep at most so many MiB of packets.
    #[arg(long, value_name = "MIB", default_value_t = 1_024)]
    size: u64,
    /// The socket of tailscaled, if it is not at the usual place.
    #[arg(long, value_name = "PATH")]
    tailscale_socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Folders or their .tar.gz, one per node: bundle.json, ip-link.json, ip-address.json and packets/.
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,
    /// How the document is printed.
    #[arg(long, value_enum, default_value = "json")]
    format: ReplayFormat,
}

/// Forms of a replay's document.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReplayFormat {
    Json,
}

/// Runs the verb of the command line.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli {
            verb: Verb::Run(args),
        }) => run(args),
        Ok(Cli {
            verb: Verb::Record(args),
        }) => record(args),
        Ok(Cli {
            verb: Verb::Replay(args),
        }) => replay(&args),
        Ok(Cli { verb: Verb::Config }) => config(),
        Err(error) => usage(&error),
    }
}

/// Help and version as they are; a wrong argument in one line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_pointer = |line: &str| line.starts_with("Usage:") || line.starts_with("For more ");
    let said: Vec<_> = lines.take_while(|line| !is_pointer(line)).collect();
    let said = said.join("; ").replace(":; ", ": ");
    eprintln!(
        "observer: {}; see `observer --help`",
        said.trim_start_matches("error: ")
    );
    ExitCode::from(2)
}

fn run(args: RunArgs) -> ExitCode {
    let overrides = Overrides {
        node: args.node,
        cluster_cidr: args.cluster_cidr,
        interval: args.interval,
        otlp: args.otlp,
        sample_one_in: args.sample_one_in,
        log: args.log,
        xdp: args.xdp,
    };
    let config = match Config::read(args.config.as_deref(), overrides) {
        Ok(config) => config,
        Err(error) => return failed(&error, 2),
    };
    log(config.log);
    let task = Task {
        format: args.format,
        duration: args.duration,
    };
    match agent::run(config, &task) {
        Ok(ending) => {
            let how = match ending {
                Ending::Signal => "a signal",
                Ending::Time => "the end of its time",
                Ending::ReaderGone => "the end of its reader",
            };
            tracing::info!("ended by {how}; all programs are detached");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error, error.exit_code()),
    }
}

fn record(args: RecordArgs) -> ExitCode {
    let overrides = Overrides {
        node: args.node,
        cluster_cidr: args.cluster_cidr.clone(),
        ..Overrides::default()
    };
    let config = match Config::read(None, overrides) {
        Ok(config) => config,
        Err(error) => return failed(&error, 2),
    };
    let recording = Recording {
        folder: args.folder,
        node: config.node,
        cluster_cidr: args.cluster_cidr,
        duration: args.duration,
        most: args.size.saturating_mul(1 << 20),
        tailscale_socket: args.tailscale_socket,
    };
    match live::record(&recording) {
        Ok(recorded) => {
            eprintln!("{}", recorded.in_words());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let code = error.exit_code();
            failed(&error, code)
        }
    }
}

fn replay(args: &ReplayArgs) -> ExitCode {
    let ReplayFormat::Json = args.format;
    log(LogLevel::Info);
    let document = replay::at_signals().and_then(|stop| replay::replay(&args.bundles, &stop));
    let document = match document {
        Ok(document) => document,
        Err(error) => {
            let code = error.exit_code();
            return failed(&error, code);
        }
    };
    match writeln!(std::io::stdout(), "{document}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error, 1),
    }
}

/// Lines about the run go to standard error. Libraries are heard of from `info` on.
fn log(level: LogLevel) {
    let own = match level {
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    let targets = Targets::new()
        .with_default(Level::INFO)
        .with_target("observer", own);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(targets)
        .init();
}

#[expect(clippy::print_stdout, reason = "the file is the verb's output")]
fn config() -> ExitCode {
    print!("{}", File::default().to_toml());
    ExitCode::SUCCESS
}

fn failed(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("observer: {error}");
    ExitCode::from(code)
}
