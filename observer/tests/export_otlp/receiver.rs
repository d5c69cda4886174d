//! A real OTLP gRPC receiver in the test's process, with the behaviour that a test asks for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// Takes everything.
    Willing,
    /// Takes it after this time.
    Slow(Duration),
    /// Answers with this code, this many times, then takes everything.
    Refusing(Code, usize),
    /// Takes the request and rejects this many spans of it.
    Choosy(i64),
}

/// What arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    pub(crate) tokens: Vec<String>,
    pub(crate) begun: usize,
}

impl Arrived {
    pub(crate) fn spans(&self) -> Vec<&Span> {
        let resources = self
            .traces
            .iter()
            .flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).collect()
    }
}

/// A receiver that lives until it is dropped; then its connections break.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) arrived: Arc<Mutex<Arrived>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn start(mood: Mood) -> Self {
        Self::start_at("127.0.0.1:0", mood)
    }

    /// On a runtime of its own: connections of a server are tasks that outlive it.
    pub(crate) fn start_at(address: &str, mood: Mood) -> Self {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        let listener = std::net::TcpListener::bind(address).expect("bind");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("address");
        let arrived = Arc::new(Mutex::new(Arrived::default()));
        let service = Service {
            mood,
            arrived: Arc::clone(&arrived),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("listener");
                let server = Server::builder()
                    .add_service(TraceServiceServer::new(service.clone()))
                    .add_service(MetricsServiceServer::new(service))
                    .serve_with_incoming(TcpIncoming::from(listener));
                tokio::select! {
                    end = server => end.expect("serve"),
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            arrived,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn spans(&self) -> u64 {
        self.arrived.lock().expect("lock").spans().len() as u64
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

#[derive(Clone)]
struct Service {
    mood: Mood,
    arrived: Arc<Mutex<Arrived>>,
}

impl Service {
    /// How many spans to reject.
    async fn behave(&self) -> Result<i64, Status> {
        let begun = {
            let mut arrived = self.arrived.lock().expect("lock");
            arrived.begun += 1;
            arrived.begun
        };
        match self.mood {
            Mood::Willing => Ok(0),
            Mood::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(0)
            }
            Mood::Choosy(rejected) => Ok(rejected),
            Mood::Refusing(_, times) if begun > times => Ok(0),
            Mood::Refusing(code, _) => Err(Status::new(code, "not \u{1b}[31mtoday")),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let rejected_spans = self.behave().await?;
        let token = request.metadata().get("x-token");
        let token = token
            .and_then(|token| token.to_str().ok())
            .map(str::to_owned);
        let mut arrived = self.arrived.lock().expect("lock");
        arrived.tokens.extend(token);
        arrived.traces.push(request.into_inner());
        let partial_success = (rejected_spans > 0).then(|| ExportTracePartialSuccess {
            rejected_spans,
            error_message: "too many".to_owned(),
        });
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success,
        }))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.behave().await?;
        self.arrived
            .lock()
            .expect("lock")
            .metrics
            .push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
