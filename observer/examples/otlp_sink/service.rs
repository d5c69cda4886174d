//! The two gRPC services: a request in, its lines into the store, an answer out. They decide
//! nothing.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsService;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceService;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::store::{Store, Untaken};
use super::{SinkError, points, spans};

/// Answers exporters.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) store: Arc<Store>,
    /// Where an error goes that ends the sink.
    pub(crate) failed: mpsc::Sender<SinkError>,
}

impl Service {
    fn refusal(&self, untaken: Untaken) -> Status {
        match untaken {
            Untaken::Malformed(why) => Status::invalid_argument(why.to_string()),
            Untaken::Failed(error) => {
                let status = Status::internal(error.to_string());
                // A channel that is full has an earlier error, which ends the sink.
                drop(self.failed.try_send(error));
                status
            }
        }
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let taken = self.store.take_spans(spans::lines(request.get_ref()));
        taken.map_err(|untaken| self.refusal(untaken))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let taken = self.store.take_points(points::lines(request.get_ref()));
        taken.map_err(|untaken| self.refusal(untaken))?;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
