//! A real OTLP gRPC receiver inside a node's namespace: what an agent sends there, span by span.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

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
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as proto;
use tokio::runtime;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use xtask::lab::netns;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// Node named by the resource.
    pub(crate) node: String,
    pub(crate) span: proto::Span,
    /// Attributes as text.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Arrived {
    /// An attribute; empty if it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// True if it is of this kind.
    pub(crate) fn is(&self, kind: proto::span::SpanKind) -> bool {
        self.span.kind == i32::from(kind)
    }

    /// Length in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "spans of a test are short")]
    pub(crate) fn millis(&self) -> f64 {
        (self.span.end_time_unix_nano - self.span.start_time_unix_nano) as f64 / 1e6
    }
}

/// A receiver that lives until it is dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts one on the loopback of a namespace.
    pub(crate) fn start(netns: &str) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("bind");
        let listener = netns::within(netns, listen).expect("namespace");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("address");
        let arrived = Arc::default();
        let service = Service(Arc::clone(&arrived));
        let (stop, stopped) = oneshot::channel();
        Self {
            address,
            arrived,
            stop: Some(stop),
            thread: Some(thread::spawn(move || serve(listener, service, stopped))),
        }
    }

    /// What an agent in the namespace is told.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Arrived> {
        let requests = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let spans = resources.flat_map(|resource| {
            let own = resource.resource.as_ref().expect("a resource");
            let node = texts(&own.attributes)["k8s.node.name"].clone();
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(move |span| Arrived {
                node: node.clone(),
                attributes: texts(&span.attributes),
                span: span.clone(),
            })
        });
        spans.collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking());
        }
    }
}

fn serve(listener: TcpListener, service: Service, stopped: oneshot::Receiver<()>) {
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
        let server = Server::builder()
            .add_service(TraceServiceServer::new(service.clone()))
            .add_service(MetricsServiceServer::new(service))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::select! {
            end = server => end.expect("serve"),
            _ = stopped => {}
        }
    });
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Option<&AnyValue>| match value.and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let texts = attributes
        .iter()
        .map(|one| (one.key.clone(), text(one.value.as_ref())));
    let texts: BTreeMap<_, _> = texts.collect();
    assert_eq!(texts.len(), attributes.len(), "each attribute once");
    texts
}

#[derive(Clone)]
struct Service(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        _: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
