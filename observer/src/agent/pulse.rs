//! The sign of life of the working thread: how often it turned, and what it is at. Written by that
//! thread, read by the supervisor.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// Looks per allowed silence. A process that was stopped as a whole misses one look, not four.
const LOOKS: u32 = 4;

/// What the working thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Making maps, opening sockets.
    Starting,
    /// Between two pieces of work.
    Waiting,
    /// Loading programs and attaching them.
    Attaching,
    /// Reading the ring.
    Events,
    /// Reading the maps and reporting.
    Sweep,
    /// Sending and printing what is left, at the end.
    Sending,
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::Starting,
        Self::Waiting,
        Self::Attaching,
        Self::Events,
        Self::Sweep,
        Self::Sending,
    ];

    /// As it stands in a message.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "making the maps ready",
            Self::Waiting => "waiting for work",
            Self::Attaching => "attaching programs",
            Self::Events => "reading the event ring",
            Self::Sweep => "sweeping the maps",
            Self::Sending => "sending and printing what is left",
        }
    }
}

/// Turns and stage of the working thread.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    turns: AtomicU64,
    stage: AtomicU8,
}

impl Pulse {
    /// Notes a turn, and what it is spent on.
    pub(super) fn beat(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// What the thread was at when it last turned.
    pub(super) fn stage(&self) -> Stage {
        let number = self.stage.load(Ordering::Relaxed);
        let is_it = |stage: &Stage| *stage as u8 == number;
        Stage::ALL
            .into_iter()
            .find(is_it)
            .unwrap_or(Stage::Starting)
    }

    /// Returns once there was no turn for `silence`.
    pub(super) async fn stopped(&self, silence: Duration) {
        let mut look = interval(silence / LOOKS);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut silent) = (u64::MAX, 0);
        while silent < LOOKS {
            look.tick().await;
            let turns = self.turns.load(Ordering::Relaxed);
            silent = if turns == seen { silent + 1 } else { 0 };
            seen = turns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long against the pauses of a busy machine, short for a test.
    const SILENCE: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn a_thread_that_turns_is_not_taken_for_stopped_and_one_that_does_not_is() {
        let pulse = Pulse::default();
        let turning = async {
            for _ in 0..50 {
                tokio::time::sleep(SILENCE / 20).await;
                pulse.beat(Stage::Sweep);
            }
        };
        tokio::select! {
            () = pulse.stopped(SILENCE) => panic!("it turned"),
            () = turning => {}
        }
        let begun = tokio::time::Instant::now();
        pulse.stopped(SILENCE).await;
        assert!(begun.elapsed() >= SILENCE / 2);
        assert_eq!(pulse.stage(), Stage::Sweep);
    }
}
