//! The task behind the handle: batches of spans, the newest metrics, one retry, a bounded end.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::client::{Client, Failure};
use super::drops::{Drops, Reason, Signal};
use super::handle::Queued;
use super::settings::{Limits, Settings};
use crate::export::metrics::Snapshot;
use crate::export::wire;

type Published = watch::Receiver<Option<Snapshot>>;

/// Everything the task owns.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) drops: Arc<Drops>,
    pub(super) queue: mpsc::Receiver<Queued>,
    pub(super) published: Published,
}

impl Worker {
    /// Runs until the handle is gone and everything is sent or the grace is over. What is left is
    /// dropped with its tickets, which count it.
    pub(super) async fn run(self) {
        let Self {
            settings,
            drops,
            queue,
            published,
        } = self;
        let mut handle = published.clone();
        let spans = Spans {
            client: Client::new(&settings.traces, &settings),
            resource: settings.resource.clone(),
            limits: settings.limits,
            drops: Arc::clone(&drops),
        };
        let metrics = Metrics {
            client: Client::new(&settings.metrics, &settings),
            resource: settings.resource,
            limits: settings.limits,
            drops,
        };
        let work = async { tokio::join!(spans.run(queue), metrics.run(published)) };
        let overdue = async {
            gone(&mut handle).await;
            sleep(settings.limits.grace).await;
        };
        tokio::select! {
            ((), ()) = work => {}
            () = overdue => {}
        }
    }
}

/// Waits until the last clone of the handle is dropped.
async fn gone(published: &mut Published) {
    while published.changed().await.is_ok() {}
}

struct Spans {
    client: Client,
    resource: Resource,
    limits: Limits,
    drops: Arc<Drops>,
}

impl Spans {
    async fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        let size = self.limits.batch.max(1);
        loop {
            let mut batch = Vec::with_capacity(size);
            if queue.recv_many(&mut batch, size).await == 0 {
                return;
            }
            let deadline = Instant::now() + self.limits.delay;
            while batch.len() < size {
                let room = size - batch.len();
                match timeout_at(deadline, queue.recv_many(&mut batch, room)).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            self.deliver(batch).await;
        }
    }

    async fn deliver(&mut self, batch: Vec<Queued>) {
        let mut answer = self.client.spans(self.message(&batch)).await;
        if let Err(failure) = &answer
            && failure.retry
        {
            self.drops
                .set_trouble(Signal::Spans, Some(failure.text.clone()));
            sleep(self.limits.backoff).await;
            answer = self.client.spans(self.message(&batch)).await;
        }
        match answer {
            Ok(rejected) => {
                self.drops.set_trouble(Signal::Spans, None);
                let rejected = usize::try_from(rejected).unwrap_or(usize::MAX);
                for (index, queued) in batch.into_iter().enumerate() {
                    if index < rejected {
                        queued.ticket.lose(Reason::Partial);
                    } else {
                        queued.ticket.receive();
                    }
                }
            }
            Err(Failure { reason, text, .. }) => {
                self.drops.set_trouble(Signal::Spans, Some(text));
                for queued in batch {
                    queued.ticket.lose(reason);
                }
            }
        }
    }

    fn message(&self, batch: &[Queued]) -> ExportTraceServiceRequest {
        let spans = batch
            .iter()
            .map(|queued| wire::span(&queued.span))
            .collect();
        let scope_spans = ScopeSpans {
            scope: Some(wire::scope()),
            spans,
            ..ScopeSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![scope_spans],
                ..ResourceSpans::default()
            }],
        }
    }
}

struct Metrics {
    client: Client,
    resource: Resource,
    limits: Limits,
    drops: Arc<Drops>,
}

impl Metrics {
    /// Sends the newest snapshot, at most one per interval; the last one goes out at the end.
    async fn run(mut self, mut published: Published) {
        let mut handle = published.clone();
        while published.changed().await.is_ok() {
            let newest = published.borrow_and_update().clone();
            if let Some(snapshot) = newest {
                self.deliver(snapshot).await;
            }
            tokio::select! {
                () = sleep(self.limits.metric_interval) => {}
                () = gone(&mut handle) => {}
            }
        }
    }

    async fn deliver(&mut self, snapshot: Snapshot) {
        let message = self.message(snapshot);
        match self.client.metrics(message).await {
            Ok(rejected) => {
                self.drops.set_trouble(Signal::Metrics, None);
                if rejected > 0 {
                    self.drops.fail(Reason::Partial);
                }
            }
            Err(Failure { reason, text, .. }) => {
                self.drops.set_trouble(Signal::Metrics, Some(text));
                self.drops.fail(reason);
            }
        }
    }

    fn message(&self, snapshot: Snapshot) -> ExportMetricsServiceRequest {
        let scope_metrics = ScopeMetrics {
            scope: Some(wire::scope()),
            metrics: snapshot.into_metrics(),
            ..ScopeMetrics::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![scope_metrics],
                ..ResourceMetrics::default()
            }],
        }
    }
}
