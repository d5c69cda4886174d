//! A receiver of OTLP over gRPC that writes down what arrives: one JSON line per span and one per
//! data point of a metric, the lines of a request at once. SIGTERM and Ctrl-C end it with the totals
//! on standard error. It keeps nothing in memory and never changes what it was sent.
//!
//! ```text
//! cargo run --package observer --example otlp_sink -- \
//!     --listen 127.0.0.1:4317 --spans spans.jsonl --metrics metrics.jsonl
//! ```

#[path = "otlp_sink/points.rs"]
mod points;
#[path = "otlp_sink/service.rs"]
mod service;
#[path = "otlp_sink/spans.rs"]
mod spans;
#[path = "otlp_sink/store.rs"]
mod store;
#[path = "otlp_sink/value.rs"]
mod value;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsServiceServer;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceServiceServer;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use service::Service;
use store::Store;

/// How long requests that have begun may take once the end is asked for.
const GRACE: Duration = Duration::from_secs(2);

/// Writes the spans and metrics that exporters send as JSON lines.
#[derive(Debug, Parser)]
struct Options {
    /// Address and port to receive at; port 0 takes a free one and says which.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// File that gets a line per span.
    #[arg(long, value_name = "FILE")]
    spans: PathBuf,
    /// File that gets a line per data point.
    #[arg(long, value_name = "FILE")]
    metrics: PathBuf,
}

/// Why the sink ended unasked.
#[derive(Debug, thiserror::Error)]
enum SinkError {
    #[error(
        "receive OTLP at {address}: {source}; name an address of this network namespace with a free \
         port by --listen, or port 0"
    )]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("open {} for appending: {source}; name a file in a folder that can be written", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("write both spans and metrics to {}: their lines differ; name two files", .0.display())]
    SameFile(PathBuf),
    #[error("append to {}: {source}; look for free space on its file system", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("wait for SIGTERM and Ctrl-C: {0}")]
    Signals(io::Error),
    #[error("serve exporters: {0}")]
    Serve(#[from] tonic::transport::Error),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match receive(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Receives until a signal and says the totals, also when a write fails.
async fn receive(options: &Options) -> Result<(), SinkError> {
    let store = Arc::new(Store::open(&options.spans, &options.metrics)?);
    let address = options.listen;
    let unbound = |source| SinkError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unbound)?;
    let open = |kind| signal(kind).map_err(SinkError::Signals);
    let ends = [
        open(SignalKind::terminate())?,
        open(SignalKind::interrupt())?,
    ];
    eprintln!(
        "otlp_sink: listening on {}",
        listener.local_addr().map_err(unbound)?
    );
    let (failed, mut failure) = mpsc::channel(1);
    let served = serve(
        listener,
        Service {
            store: Arc::clone(&store),
            failed,
        },
        ends,
    );
    let ended = tokio::select! {
        biased;
        Some(error) = failure.recv() => Err(error),
        ended = served => ended,
    };
    eprintln!("otlp_sink: {}", store.totals());
    ended
}

/// Serves until a signal, then gives what has begun its grace.
async fn serve(
    listener: TcpListener,
    service: Service,
    [mut terminate, mut interrupt]: [Signal; 2],
) -> Result<(), SinkError> {
    let (asked, end) = oneshot::channel::<()>();
    let signals = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        drop(asked);
    };
    let server = Server::builder()
        .add_service(TraceServiceServer::new(service.clone()))
        .add_service(MetricsServiceServer::new(service))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), signals);
    let overdue = async {
        drop(end.await);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = overdue => Ok(()),
    }
}
