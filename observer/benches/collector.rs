//! A receiver of OTLP for an agent under load: prints its endpoint, then answers each line on
//! standard input with what has arrived so far. Ends with its input. `cargo xtask bench` drives it.

#[expect(
    dead_code,
    reason = "a receiver of the exporter's tests, of which this needs a part"
)]
#[path = "../tests/export_otlp/receiver.rs"]
mod receiver;

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;
use std::process::ExitCode;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use serde::Serialize;

use receiver::{Arrived, Mood, Receiver};

/// Prefix of the counters of the agent's own ledger.
const OBSERVER: &str = "netpath.observer.";

/// What has arrived.
#[derive(Debug, Serialize)]
struct Answer {
    /// Spans.
    spans: usize,
    /// Traces: one per sampled round trip.
    traces: usize,
    /// The ledger in every export of metrics, oldest first.
    ledgers: Vec<Ledger>,
}

/// The counters of one export, all reasons of one name together.
#[derive(Debug, Default, Serialize)]
struct Ledger {
    /// When they were read, nanoseconds of Unix time.
    time: u64,
    counters: BTreeMap<String, i64>,
}

fn main() -> ExitCode {
    let receiver = Receiver::start(Mood::Willing);
    say(&serde_json::json!({ "endpoint": format!("http://{}", receiver.address) }));
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(arrived) = receiver.arrived.lock() else {
            return ExitCode::FAILURE;
        };
        say(&answer(&arrived));
    }
    ExitCode::SUCCESS
}

fn answer(arrived: &Arrived) -> Answer {
    let spans = arrived.spans();
    let traces: HashSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    let exports = arrived.metrics.iter();
    Answer {
        spans: spans.len(),
        traces: traces.len(),
        ledgers: exports
            .map(|export| {
                let mut ledger = Ledger::default();
                let resources = export.resource_metrics.iter();
                let scopes = resources.flat_map(|resource| &resource.scope_metrics);
                for metric in scopes.flat_map(|scope| &scope.metrics) {
                    ledger.add(metric);
                }
                ledger
            })
            .collect(),
    }
}

impl Ledger {
    fn add(&mut self, metric: &opentelemetry_proto::tonic::metrics::v1::Metric) {
        let (Some(name), Some(Data::Sum(sum))) = (metric.name.strip_prefix(OBSERVER), &metric.data)
        else {
            return;
        };
        for point in &sum.data_points {
            self.time = point.time_unix_nano;
            if let Some(Value::AsInt(count)) = point.value {
                *self.counters.entry(name.to_owned()).or_default() += count;
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "answers go to whoever commands")]
fn say(answer: &impl Serialize) {
    println!("{}", serde_json::to_string(answer).unwrap_or_default());
}
