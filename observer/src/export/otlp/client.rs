//! One connection to a receiver and what its answers mean. It keeps no spans and counts nothing.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::drops::Reason;
use super::endpoint::Endpoint;
use super::settings::{Headers, Settings};

/// Why a request failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    /// A second try may help. Where a connection broke after the request was sent it can deliver
    /// spans twice, with the same ids.
    pub(super) retry: bool,
    /// One line for people.
    pub(super) text: String,
}

/// A connection that is made at the first request and again after it broke.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    headers: Headers,
    timeout: Duration,
    channel: Channel,
}

impl Client {
    /// To be called on a runtime: the channel has a task of its own.
    pub(super) fn new(endpoint: &Endpoint, settings: &Settings) -> Self {
        Self {
            endpoint: endpoint.clone(),
            headers: settings.headers.clone(),
            timeout: settings.timeout,
            channel: connect(endpoint, settings.timeout),
        }
    }

    /// Sends spans; answers how many the receiver rejected.
    pub(super) async fn spans(
        &mut self,
        message: ExportTraceServiceRequest,
    ) -> Result<u64, Failure> {
        let mut client = TraceServiceClient::new(self.channel.clone());
        let request = self.request(message);
        let answer = self.within(client.export(request)).await?;
        let rejected = answer
            .partial_success
            .map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or(0))
    }

    /// Sends metrics; answers how many data points the receiver rejected.
    pub(super) async fn metrics(
        &mut self,
        message: ExportMetricsServiceRequest,
    ) -> Result<u64, Failure> {
        let mut client = MetricsServiceClient::new(self.channel.clone());
        let request = self.request(message);
        let answer = self.within(client.export(request)).await?;
        let rejected = answer
            .partial_success
            .map_or(0, |partial| partial.rejected_data_points);
        Ok(u64::try_from(rejected).unwrap_or(0))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.0.clone();
        request
    }

    async fn within<T>(
        &mut self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => {
                // The peer may be gone without a word; TCP alone would notice after minutes.
                self.channel = connect(&self.endpoint, self.timeout);
                let text = format!("no answer within {:?}", self.timeout);
                Err(self.describe(Reason::Timeout, false, &text))
            }
        }
    }

    fn failure(&self, status: &Status) -> Failure {
        if let Some(cause) = root_cause(status) {
            return self.describe(Reason::Unreachable, true, &cause);
        }
        let text = format!("refused with {:?}: {}", status.code(), status.message());
        match status.code() {
            Code::DeadlineExceeded => self.describe(Reason::Timeout, false, &text),
            // The OTLP specification's list of retryable codes.
            Code::Cancelled
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => self.describe(Reason::Refused, true, &text),
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::Internal
            | Code::Unauthenticated => self.describe(Reason::Refused, false, &text),
        }
    }

    fn describe(&self, reason: Reason, retry: bool, text: &str) -> Failure {
        let hint = match reason {
            Reason::Unreachable | Reason::Timeout => {
                "; see that a collector with an OTLP gRPC receiver listens there"
            }
            Reason::QueueFull
            | Reason::Rate
            | Reason::Refused
            | Reason::Partial
            | Reason::Shutdown => "",
        };
        // The receiver's words may hold control characters.
        let text = text.escape_debug();
        let text = format!("export to {}: {text}{hint}", self.endpoint);
        Failure {
            reason,
            retry,
            text,
        }
    }
}

fn connect(endpoint: &Endpoint, timeout: Duration) -> Channel {
    Channel::builder(endpoint.uri())
        // Half, so that an address nobody answers for is told from a receiver that is slow.
        .connect_timeout(timeout / 2)
        .connect_lazy()
}

/// The innermost error behind a status that was made on this side; `None` if the receiver sent it.
fn root_cause(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}
