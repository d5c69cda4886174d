//! The producers' end: hands over spans and metrics and returns at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::drops::{Drops, Reason, Ticket};
use super::rate::Gate;
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
    pub(super) gate: Arc<Mutex<Gate>>,
    pub(super) drops: Arc<Drops>,
}

impl Handle {
    /// Hands over the spans of one round trip: all of them or, counted by reason, none, so that no
    /// trace has holes of our making. Of more than the cap allows those of the lowest rank pass, which
    /// are the same at both ends ([`crate::latency::Identity::rank`]). `time` is that of the round trip
    /// on any clock, not that of the call, so that both ends see the same demand. Never waits.
    pub fn send(&self, spans: Vec<Span>, rank: u64, time: Duration) {
        self.drops.make(spans.len());
        if let Err(reason) = self.admit(spans.len(), rank, time) {
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

    fn admit(&self, spans: usize, rank: u64, time: Duration) -> Result<(), Reason> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.admits(spans, rank, time) {
            Ok(())
        } else {
            Err(Reason::Rate)
        }
    }
}
