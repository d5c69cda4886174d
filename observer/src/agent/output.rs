//! Hands reports, findings and round trips to the outputs that were asked for: a live table or JSON
//! lines on standard output, spans and metrics to the exporter.

use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};

use super::AgentError;
use super::printer::Printer;
use super::waiting::Waiting;
use crate::config::{Config, Otlp};
use crate::diagnosis::Finding;
use crate::export::metrics::Accumulator;
use crate::export::otlp::{Drops, Exporter, Handle, Limits, NodeNames, Settings};
use crate::export::span::{ClockOffset, Context, Span, lost_spans, other_end, path_of, spans};
use crate::export::table::{Earlier, Table, render, wire_lines};
use crate::export::{Ledger, finding_about, json};
use crate::kernel::{monotonic_nanos, wall_nanos};
use crate::latency::{Lost, RoundTrip};
use crate::path::{Devices, PathReport, WireReport};

/// How reports are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people, drawn anew at each report.
    Table,
    /// One JSON object per line.
    Json,
    /// Not at all.
    None,
}

/// Everything that one sweep found.
pub(super) struct Report {
    pub(super) paths: Vec<PathReport>,
    pub(super) findings: Vec<Finding>,
    pub(super) ledger: Ledger,
    pub(super) devices: Devices,
    pub(super) wires: Vec<WireReport>,
    pub(super) elapsed: Duration,
}

/// The outputs of one run.
pub(super) struct Output {
    node: String,
    format: Format,
    printer: Printer,
    rate: u8,
    exporter: Option<(Handle, JoinHandle<()>)>,
    drops: Arc<Drops>,
    sums: Accumulator,
    last: Report,
    waiting: Waiting,
    trouble: Option<String>,
}

impl Output {
    pub(super) fn start(config: &Config, format: Format) -> Result<Self, AgentError> {
        let drops = Arc::new(Drops::default());
        let names = NodeNames {
            node: config.node.clone(),
            host: config.node.clone(),
            cluster: None,
        };
        let endpoint = match &config.otlp {
            Otlp::Unset => None,
            Otlp::Endpoint(endpoint) => Some(endpoint.as_str()),
        };
        // The rest of the grace is for what comes before and after.
        let limits = Limits {
            grace: config.grace / 2,
            ..Limits::default()
        };
        let settings = Settings::read(endpoint, &names, limits, |name| std::env::var(name).ok())
            .map_err(|error| AgentError::Export(error.to_string()))?;
        let exporter = settings.map(|settings| {
            let (handle, task) = Exporter::start(settings, Arc::clone(&drops));
            (handle, tokio::spawn(task))
        });
        Ok(Self {
            node: config.node.clone(),
            format,
            printer: Printer::start()?,
            rate: config.rate,
            exporter,
            drops,
            sums: Accumulator::new(wall_nanos()),
            last: Report {
                paths: Vec::new(),
                findings: Vec::new(),
                ledger: Ledger::new(),
                devices: Devices::default(),
                wires: Vec::new(),
                elapsed: Duration::ZERO,
            },
            waiting: Waiting::default(),
            trouble: None,
        })
    }

    /// Makes spans of a round trip, or keeps it until a sweep has shown the way of its path.
    pub(super) fn round_trip(&mut self, trip: RoundTrip) -> Result<(), AgentError> {
        if is_told(&self.last.paths, &trip) {
            self.emit(&trip)
        } else {
            self.waiting.push(trip, self.rate);
            Ok(())
        }
    }

    /// Hands out one sweep.
    pub(super) fn report(&mut self, mut report: Report) -> Result<(), AgentError> {
        report.ledger.extend(self.drops.entries());
        report.ledger.insert(
            "round_trip_dropped.no_path".to_owned(),
            self.waiting.dropped(),
        );
        report
            .ledger
            .insert("report_dropped".to_owned(), self.printer.dropped());
        self.sums.update(&report.paths);
        self.sums.update_wires(&report.wires);
        self.tell_trouble();
        let earlier = std::mem::replace(&mut self.last, report);
        let paths = &self.last.paths;
        let due = self
            .waiting
            .reported(self.rate, |trip| is_told(paths, trip));
        for trip in due {
            self.emit(&trip)?;
        }
        if let Some((handle, _)) = &self.exporter {
            let Report {
                findings,
                devices,
                ledger,
                ..
            } = &self.last;
            handle.publish(self.sums.collect(wall_nanos(), findings, devices, ledger));
        }
        match self.format {
            Format::None => Ok(()),
            Format::Json => self.print_lines(),
            Format::Table => self.print_table(&earlier),
        }
    }

    /// Waits for the end of the exporter, which only comes unasked.
    pub(super) async fn ended(&mut self) -> Result<(), JoinError> {
        match &mut self.exporter {
            Some((_, task)) => task.await,
            None => std::future::pending().await,
        }
    }

    /// Sends what is queued, within the exporter's grace, and prints the ledger's last state.
    pub(super) async fn finish(mut self) -> Result<(), AgentError> {
        for trip in self.waiting.rest() {
            self.emit(&trip)?;
        }
        if let Some((handle, task)) = self.exporter.take() {
            drop(handle);
            if task.await.is_err() {
                tracing::error!("the exporter ended unasked");
            }
        }
        self.last.ledger.extend(self.drops.entries());
        let dropped = self.printer.dropped();
        self.last
            .ledger
            .insert("report_dropped".to_owned(), dropped);
        if self.format == Format::Json {
            let line = json::ledger_line(&self.last.ledger);
            self.printer
                .print(format!("{}\n", line.map_err(AgentError::Line)?))?;
        }
        self.printer.finish().await
    }

    /// Round trips are selected at 1 in 2^`rate` from now on.
    pub(super) const fn retune(&mut self, rate: u8) {
        self.rate = rate;
    }

    /// Makes spans of a packet that nobody answered.
    pub(super) fn lost(&mut self, lost: &Lost) -> Result<(), AgentError> {
        // Anomalies come first.
        let spans = lost_spans(lost, &self.context(&lost.trip));
        self.hand_out(spans, &lost.trip, 0)
    }

    fn emit(&mut self, trip: &RoundTrip) -> Result<(), AgentError> {
        let spans = spans(trip, &self.context(trip));
        self.hand_out(spans, trip, trip.identity.rank(self.rate))
    }

    fn hand_out(
        &mut self,
        spans: Vec<Span>,
        trip: &RoundTrip,
        rank: u64,
    ) -> Result<(), AgentError> {
        if self.format == Format::Json {
            self.printer.print(lines(&spans, json::span_line)?)?;
        }
        if let Some((handle, _)) = &self.exporter {
            let time = trip.sightings.first().map_or(0, |first| first.reply_time);
            handle.send(spans, rank, Duration::from_nanos(time));
        }
        Ok(())
    }

    fn context(&self, trip: &RoundTrip) -> Context<'_> {
        let path = path_of(&self.last.paths, trip);
        Context {
            node: &self.node,
            path,
            finding: path.and_then(|path| finding_about(&self.last.findings, path)),
            interfaces: &self.last.devices,
            other_end: other_end(trip, path),
            clock: ClockOffset::new(wall_nanos(), monotonic_nanos()),
        }
    }

    /// Says once that the receiver is in trouble, and once that it is well again.
    fn tell_trouble(&mut self) {
        let trouble = self.drops.trouble();
        if trouble == self.trouble {
            return;
        }
        if let Some(trouble) = &trouble {
            tracing::warn!(trouble, "telemetry is lost, and counted");
        } else {
            tracing::info!("telemetry is received again");
        }
        self.trouble = trouble;
    }

    fn print_lines(&mut self) -> Result<(), AgentError> {
        let mut text = lines(&self.last.paths, json::path_line)?;
        text.push_str(&lines(&self.last.findings, json::finding_line)?);
        text.push_str(&lines(&self.last.wires, json::wire_line)?);
        text.push_str(&lines(
            std::slice::from_ref(&self.last.ledger),
            json::ledger_line,
        )?);
        self.printer.print(text)
    }

    fn print_table(&mut self, earlier: &Report) -> Result<(), AgentError> {
        let Report {
            paths,
            findings,
            ledger,
            wires,
            elapsed,
            ..
        } = &self.last;
        let since = Earlier {
            reports: &earlier.paths,
            elapsed: *elapsed,
        };
        let table = render(&Table {
            reports: paths,
            findings,
            earlier: Some(since),
        });
        let clear = if stdout().is_terminal() {
            "\x1b[2J\x1b[H"
        } else {
            ""
        };
        let text = format!("{clear}{table}\n{}{}", wire_lines(wires), footer(ledger));
        self.printer.print(text)
    }
}

/// Whether the report of its path says all that it will say of the way.
fn is_told(paths: &[PathReport], trip: &RoundTrip) -> bool {
    path_of(paths, trip).is_some_and(PathReport::is_settled)
}

/// What the agent itself saw and lost, in two lines at most.
fn footer(ledger: &Ledger) -> String {
    let count = |name| ledger.get(name).copied().unwrap_or(0);
    let normal = [
        "frames",
        "samples",
        "flow_inserted",
        "no_reply",
        "ring_events",
        "span_made",
        "span_received",
    ];
    let lost: Vec<_> = ledger
        .iter()
        .filter(|(name, count)| **count > 0 && !normal.contains(&name.as_str()))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let lost = if lost.is_empty() {
        "nothing".to_owned()
    } else {
        lost.join(", ")
    };
    format!(
        "{} frames seen, {} round trips timed; not counted or not seen: {lost}\n\n",
        count("frames"),
        count("samples"),
    )
}

fn lines<T>(
    items: &[T],
    line: impl Fn(&T) -> Result<String, json::JsonError>,
) -> Result<String, AgentError> {
    let mut text = String::new();
    for item in items {
        text.push_str(&line(item).map_err(AgentError::Line)?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[tokio::test]
    async fn an_exporter_that_dies_is_told_at_once() {
        let overrides = Overrides {
            otlp: Some("http://127.0.0.1:9".to_owned()),
            ..Overrides::default()
        };
        let config = Config::read(None, overrides).expect("settings");
        let mut output = Output::start(&config, Format::None).expect("outputs");
        let second = Duration::from_secs(1);
        tokio::time::timeout(second, output.ended())
            .await
            .expect_err("it lives");
        if let Some((_, task)) = &output.exporter {
            task.abort();
        }
        let told = tokio::time::timeout(second, output.ended()).await;
        let told = told.expect("it is dead");
        let error = AgentError::exporter_ended(&told);
        assert!(error.to_string().contains("the exporter"), "{error}");
        assert_eq!(error.exit_code(), 6);
    }
}
