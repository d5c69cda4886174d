//! Spans and metrics to an OTLP receiver over gRPC. A receiver that is away, slow or refusing costs
//! counted spans and nothing else.
//!
//! Never: a wait in the caller, a queue without a bound, a lost span without a name, a second retry.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

mod client;
mod drops;
mod endpoint;
mod environment;
mod handle;
mod rate;
mod settings;
mod worker;

pub use drops::{Drops, Reason};
pub use endpoint::Endpoint;
pub use handle::Handle;
pub use settings::{Headers, Limits, NodeNames, Settings, SettingsError};

use rate::Gate;
use worker::Worker;

/// The exporter; it has no value of its own.
#[derive(Clone, Copy, Debug)]
pub struct Exporter;

impl Exporter {
    /// A handle for the producers and the task that sends what they hand over. The task is to be
    /// polled on a tokio runtime with time and network. Once the last clone of the handle is
    /// dropped it sends what is queued, for at most `limits.grace`, and ends. Spans that are held
    /// when it ends or is dropped are counted as [`Reason::Shutdown`].
    pub fn start(
        settings: Settings,
        drops: Arc<Drops>,
    ) -> (Handle, impl Future<Output = ()> + Send + use<>) {
        let (spans, queue) = mpsc::channel(settings.limits.queue.max(1));
        let (snapshots, published) = watch::channel(None);
        let handle = Handle {
            spans,
            snapshots: Arc::new(snapshots),
            gate: Arc::new(Mutex::new(Gate::new(settings.limits.spans_per_second))),
            drops: Arc::clone(&drops),
        };
        (
            handle,
            Worker {
                settings,
                drops,
                queue,
                published,
            }
            .run(),
        )
    }
}
