//! A queue of packets that leave after a delay, in order. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets waiting for their time, with what their sender needs to know.
#[derive(Debug)]
pub(crate) struct Held<T> {
    queue: VecDeque<(Instant, T)>,
    limit: usize,
}

impl<T> Held<T> {
    /// An empty queue of at most `limit` packets; more are dropped like on a full wire.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            limit,
        }
    }

    /// Takes a packet that leaves at `due`, and never before one taken earlier. False if full.
    pub(crate) fn push(&mut self, due: Instant, packet: T) -> bool {
        if self.is_full() {
            return false;
        }
        let earliest = self.queue.back().map_or(due, |(last, _)| due.max(*last));
        self.queue.push_back((earliest, packet));
        true
    }

    /// The next packet whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        self.queue
            .pop_front_if(|(due, _)| *due <= now)
            .map(|(_, packet)| packet)
    }

    /// How long until the next packet leaves.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.queue
            .front()
            .map(|(due, _)| due.saturating_duration_since(now))
    }

    /// Whether another packet would be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= self.limit
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Held;
    use std::time::{Duration, Instant};

    #[test]
    fn packets_keep_their_order_when_the_delay_shrinks() {
        let start = Instant::now();
        let late = start + Duration::from_millis(9);
        let mut held = Held::new(9);
        assert!(held.push(late, 'a') && held.push(start, 'b'));
        assert_eq!(
            (held.pop(start), held.wait(start)),
            (None, Some(late - start))
        );
        assert_eq!(
            (held.pop(late), held.pop(late), held.pop(late)),
            (Some('a'), Some('b'), None)
        );
    }

    #[test]
    fn full_queue_refuses() {
        let mut held = Held::new(1);
        assert!(held.push(Instant::now(), 1) && !held.push(Instant::now(), 2));
    }
}
