//! The exporter's page of the loss ledger. Every span that was made ends as received or as dropped
//! for one reason: `made = received + dropped + pending`, and nothing is pending after the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::export::Ledger;

/// Why a span, or an export of metrics, did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The queue had no room.
    QueueFull,
    /// More spans than the cap allows per second.
    Rate,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time; whether the receiver kept the spans is not known.
    Timeout,
    /// The receiver answered with an error.
    Refused,
    /// The receiver took the request and rejected these (OTLP partial success).
    Partial,
    /// The exporter ended before they were sent.
    Shutdown,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::Rate,
        Self::Unreachable,
        Self::Timeout,
        Self::Refused,
        Self::Partial,
        Self::Shutdown,
    ];

    /// The name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Rate => "rate",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Partial => "partial",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Signal {
    Spans,
    Metrics,
}

/// Counts of spans and failed exports.
#[derive(Debug, Default)]
pub struct Drops {
    made: AtomicU64,
    received: AtomicU64,
    dropped: [AtomicU64; Reason::ALL.len()],
    failed: [AtomicU64; Reason::ALL.len()],
    trouble: Mutex<[Option<String>; 2]>,
}

impl Drops {
    /// Spans handed to the exporter.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Spans that the receiver acknowledged.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Spans dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: Reason) -> u64 {
        cell(&self.dropped, reason).load(Ordering::Relaxed)
    }

    /// Exports of metrics that failed for this reason; the next one carries the same sums.
    #[must_use]
    pub fn failed(&self, reason: Reason) -> u64 {
        cell(&self.failed, reason).load(Ordering::Relaxed)
    }

    /// One line about the receiver while the last export failed.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let [spans, metrics] = &*self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        spans.as_ref().or(metrics.as_ref()).cloned()
    }

    /// All counts by their names in the ledger.
    #[must_use]
    pub fn entries(&self) -> Ledger {
        let mut ledger = Ledger::from([
            ("span_made".to_owned(), self.made()),
            ("span_received".to_owned(), self.received()),
        ]);
        for reason in Reason::ALL {
            let name = reason.name();
            ledger.insert(format!("span_dropped.{name}"), self.dropped(reason));
            ledger.insert(format!("export_failed.{name}"), self.failed(reason));
        }
        ledger
    }

    pub(super) fn make(&self, spans: usize) {
        add(&self.made, spans);
    }

    pub(super) fn drop_spans(&self, reason: Reason, spans: usize) {
        add(cell(&self.dropped, reason), spans);
    }

    pub(super) fn fail(&self, reason: Reason) {
        add(cell(&self.failed, reason), 1);
    }

    pub(super) fn set_trouble(&self, signal: Signal, trouble: Option<String>) {
        let mut all = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        all[signal as usize] = trouble;
    }

    /// A claim on one span that was made.
    pub(super) fn ticket(self: &Arc<Self>) -> Ticket {
        Ticket(Some(Arc::clone(self)))
    }
}

/// Settles one span exactly once: whoever loses it without a word lost it to the shutdown.
#[derive(Debug)]
pub(super) struct Ticket(Option<Arc<Drops>>);

impl Ticket {
    pub(super) fn receive(mut self) {
        if let Some(drops) = self.0.take() {
            add(&drops.received, 1);
        }
    }

    pub(super) fn lose(mut self, reason: Reason) {
        if let Some(drops) = self.0.take() {
            drops.drop_spans(reason, 1);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(drops) = self.0.take() {
            drops.drop_spans(Reason::Shutdown, 1);
        }
    }
}

fn cell(cells: &[AtomicU64; Reason::ALL.len()], reason: Reason) -> &AtomicU64 {
    &cells[reason as usize]
}

fn add(cell: &AtomicU64, more: usize) {
    cell.fetch_add(more as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_counts_once_whatever_becomes_of_it() {
        let drops = Arc::new(Drops::default());
        drops.make(3);
        drops.ticket().receive();
        drops.ticket().lose(Reason::Partial);
        drop(drops.ticket());
        let counts = (drops.received(), drops.dropped(Reason::Partial));
        assert_eq!((counts, drops.dropped(Reason::Shutdown)), ((1, 1), 1));
    }

    #[test]
    fn every_reason_has_its_own_cell() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
