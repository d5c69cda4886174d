//! The producers' end: hands over spans and metrics and returns at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::drops::{Drops, Reason, Ticket};
use super::rate::Bucket;
use crate::export::metrics::Snapshot;
use crate::export::span::Span;

/// A span in the queue and the claim on it.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) span: Span,
    pub(super) ticket: Ticket,
}

/// Where the agent leaves spans and metrics. The exporter ends after the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) spans: mpsc::Sender<Queued>,
    pub(super) snapshots: Arc<watch::Sender<Option<Snapshot>>>,
    pub(super) bucket: Arc<Mutex<Bucket>>,
    pub(super) born: Instant,
    pub(super) drops: Arc<Drops>,
}

impl Handle {
    /// Hands over the spans of one round trip: all of them or, counted by reason, none, so that no
    /// trace has holes of our making. Never waits.
    pub fn send(&self, spans: Vec<Span>) {
        self.drops.make(spans.len());
        if let Err(reason) = self.admit(spans.len()) {
            self.drops.drop_spans(reason, spans.len());
            return;
        }
        match self.spans.try_reserve_many(spans.len()) {
            Ok(permits) => {
                for (permit, span) in permits.zip(spans) {
                    let ticket = self.drops.ticket();
                    permit.send(Queued { span, ticket });
                }
            }
            Err(TrySendError::Full(())) => {
                self.drops.drop_spans(Reason::QueueFull, spans.len());
            }
            Err(TrySendError::Closed(())) => {
                self.drops.drop_spans(Reason::Shutdown, spans.len());
            }
        }
    }

    /// Leaves the newest metrics; ones that were not sent yet are replaced, since sums are
    /// cumulative. Never waits.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Some(snapshot));
    }

    fn admit(&self, spans: usize) -> Result<(), Reason> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if bucket.take(spans, self.born.elapsed()) {
            Ok(())
        } else {
            Err(Reason::Rate)
        }
    }
}
