//! Watches over the working thread from the main one: it answers signals whatever the working thread
//! is at, tells a thread that died or hangs, and bounds the end of a run.

use std::sync::Arc;
use std::thread;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::error::Late;
use super::pulse::{Pulse, Stage};
use super::signals::Signals;
use super::{AgentError, Ending, Task, lock, turns};
use crate::config::Config;

/// The working thread's tie to its supervisor.
#[derive(Clone, Debug)]
pub(super) struct Tie {
    stop: watch::Receiver<bool>,
    pulse: Arc<Pulse>,
}

impl Tie {
    /// Tells what the thread turns to.
    pub(super) fn turn_to(&self, stage: Stage) {
        self.pulse.beat(stage);
    }

    /// True once the end was asked for.
    pub(super) fn is_over(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns once the end was asked for.
    pub(super) async fn over(&self) {
        // Without a supervisor nobody will ask; its end is that of the process.
        if self.stop.clone().wait_for(|over| *over).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Runs the agent until a signal, the end of its time, or an error.
pub fn run(config: Config, task: &Task) -> Result<Ending, AgentError> {
    let _lock = lock::take()?;
    let runtime = runtime()?;
    runtime.block_on(supervise(config, task))
}

/// A runtime for the calling thread.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, AgentError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AgentError::Thread)
}

async fn supervise(config: Config, task: &Task) -> Result<Ending, AgentError> {
    let mut signals = Signals::new(task.duration)?;
    let (stall, grace) = (config.stall, config.grace);
    let pulse = Arc::new(Pulse::default());
    let (ask, stop) = watch::channel(false);
    let (tell, mut ended) = oneshot::channel();
    let format = task.format;
    let tie = Tie {
        stop,
        pulse: Arc::clone(&pulse),
    };
    thread::Builder::new()
        .name("observer-work".to_owned())
        .spawn(move || {
            // Whoever asked is gone if nobody listens.
            drop(tell.send(turns::run(config, format, tie)));
        })
        .map_err(AgentError::Thread)?;
    let ending = tokio::select! {
        ending = signals.wait() => ending,
        result = &mut ended => return outcome(result, Ending::ReaderGone),
        () = pulse.stopped(stall) => {
            return Err(AgentError::Hung { stage: pulse.stage().name(), stall });
        }
    };
    ask.send_replace(true);
    let late = |why| AgentError::Late {
        stage: pulse.stage().name(),
        why,
    };
    tokio::select! {
        result = &mut ended => outcome(result, ending),
        () = sleep(grace) => Err(late(Late::Grace(grace))),
        () = signals.another() => Err(late(Late::SecondSignal)),
    }
}

/// How the run ended, from how its thread did. A thread that panicked has told nothing.
fn outcome(
    result: Result<Result<Option<Ending>, AgentError>, oneshot::error::RecvError>,
    asked: Ending,
) -> Result<Ending, AgentError> {
    match result {
        Ok(result) => result.map(|own| own.unwrap_or(asked)),
        Err(_) => Err(AgentError::Ended {
            task: "its working thread",
            why: "it panicked".to_owned(),
        }),
    }
}
