//! When a lab is ready: every pod has had an echo reply from every pod that can answer it.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::error::LabError;
use super::netns;
use super::topology::{Outcome, Pod, Topology};
use crate::traffic::icmp::Echo;

/// Whole patience; a healthy lab needs some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Patience per echo: a first packet may wait for a handshake.
const PER_ECHO: Duration = Duration::from_millis(250);

/// Waits until all pods talk that can.
pub(crate) fn await_talking(topology: &Topology) -> Result<(), LabError> {
    let pods: Vec<&Pod> = topology.nodes.iter().flat_map(|node| &node.pods).collect();
    let mut expected = topology.expected();
    expected.retain(|path| path.outcome == Outcome::Reply);
    let deadline = Instant::now() + PATIENCE;
    thread::scope(|scope| {
        let others = |own: &Pod| {
            let own = expected.iter().filter(|path| path.from == own.name);
            let others = own.filter_map(|path| topology.pod(&path.to)?.address_of(path.family));
            others.collect::<Vec<_>>()
        };
        let threads: Vec<_> = pods
            .iter()
            .map(|pod| {
                let targets = others(pod);
                scope.spawn(move || netns::within(&pod.netns, || talk(pod, &targets, deadline))?)
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Echoes to every target until each has answered once.
fn talk(pod: &Pod, targets: &[IpAddr], deadline: Instant) -> Result<(), LabError> {
    let begun = Instant::now();
    let failed = |cause| LabError::io(format!("send an echo from {}", pod.name), cause);
    for target in targets {
        let mut echo = Echo::open(*target).map_err(failed)?;
        while echo.exchange(56, PER_ECHO).map_err(failed)?.is_none() {
            if Instant::now() > deadline {
                return Err(LabError::Timeout {
                    what: format!("an echo reply from {target} to {}", pod.name),
                    seconds: begun.elapsed().as_secs_f64(),
                    detail: "look with `cargo xtask lab shell`: routes, neighbours, logs".into(),
                });
            }
        }
    }
    Ok(())
}
