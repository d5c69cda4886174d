//! How long a part of the load may go on.

use std::thread;
use std::time::{Duration, Instant};

use crate::traffic::Stop;

/// How soon a wait notices that it is told to stop.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// An end in time, and a token that ends it earlier.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit<'a> {
    deadline: Instant,
    stop: &'a Stop,
}

impl<'a> Limit<'a> {
    pub(super) fn new(deadline: Instant, stop: &'a Stop) -> Self {
        Self { deadline, stop }
    }

    /// The same, but not longer than `patience` from now.
    pub(super) fn within(self, patience: Duration) -> Self {
        Self {
            deadline: self.deadline.min(Instant::now() + patience),
            ..self
        }
    }

    /// What is left of it; none when it is over.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.deadline.checked_duration_since(Instant::now())?;
        (!left.is_zero() && !self.stop.is_set()).then_some(left)
    }

    /// Waits for a time; false if it is over before.
    pub(super) fn wait_until(&self, time: Instant) -> bool {
        while let Some(left) = self.left() {
            let wait = time.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return true;
            }
            thread::sleep(wait.min(left).min(SLICE));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_ends_by_time_or_by_its_token() {
        let (stop, now) = (Stop::default(), Instant::now());
        let limit = Limit::new(now + Duration::from_secs(9), &stop);
        assert!(limit.wait_until(now + Duration::from_millis(3)));
        assert!(now.elapsed() >= Duration::from_millis(3));
        assert_eq!(limit.within(Duration::ZERO).left(), None);
        assert!(
            !limit
                .within(Duration::from_millis(5))
                .wait_until(now + SLICE)
        );
        assert!(limit.left().is_some());
        stop.set();
        assert_eq!(limit.left(), None);
        assert!(!limit.wait_until(now));
    }
}
