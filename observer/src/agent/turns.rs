//! The working thread: waits for devices, events and time, and gives each its turn; at the end it
//! stops attaching, detaches, drains, and sends what is left.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::pulse::Stage;
use super::supervisor::{self, Tie};
use super::{Agent, AgentError, Ending, Format, memory};
use crate::config::Config;
use crate::interfaces;

/// Time between two looks into the ring.
const POLL: Duration = Duration::from_millis(50);
/// The first sweep comes early, so that a start shows something soon.
const FIRST_SWEEP: Duration = Duration::from_secs(1);

/// Works until it is asked to stop, or its reader is gone.
pub(super) fn run(config: Config, format: Format, tie: Tie) -> Result<Option<Ending>, AgentError> {
    let runtime = supervisor::runtime()?;
    runtime.block_on(async {
        match work(config, format, tie).await {
            Ok(()) => Ok(None),
            Err(error) if error.is_reader_gone() => Ok(Some(Ending::ReaderGone)),
            Err(error) => Err(error),
        }
    })
}

async fn work(config: Config, format: Format, tie: Tie) -> Result<(), AgentError> {
    let (devices, follower) = interfaces::follow()?;
    let mut agent = Agent::new(config, format, devices, tie.clone())?;
    agent.follow_devices()?;
    agent.watch_drops();
    memory::give_back();
    let mut following = tokio::spawn(follower.run());
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = interval(agent.config.interval);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.reset_after(FIRST_SWEEP.min(agent.config.interval));
    loop {
        tie.turn_to(Stage::Waiting);
        tokio::select! {
            () = tie.over() => break,
            ended = &mut following => return Err(AgentError::follower_ended(ended)),
            why = agent.output.ended() => return Err(AgentError::exporter_ended(&why)),
            changed = agent.devices.changed() => {
                tie.turn_to(Stage::Attaching);
                // The sender lives in the follower, whose end is told above.
                if changed.is_ok() {
                    agent.follow_devices()?;
                }
            }
            woken = agent.object.events.woken() => {
                tie.turn_to(Stage::Events);
                woken?;
                agent.take_events()?;
            }
            _ = poll.tick() => {
                tie.turn_to(Stage::Events);
                agent.take_events()?;
            }
            _ = sweep.tick() => {
                tie.turn_to(Stage::Sweep);
                agent.sweep()?;
            }
        }
    }
    following.abort();
    tie.turn_to(Stage::Sweep);
    let drained = agent.drain();
    agent.attachments.clear();
    tie.turn_to(Stage::Sending);
    let sent = agent.output.finish().await;
    drained.and(sent)
}
