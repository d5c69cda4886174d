//! A replay is to stop at a signal, so that the private folder of an archive is removed; at the second one
//! it stops where it is.

use std::future::Future;
use std::io;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ReplayError;
use crate::record::Stop;

/// Exit code of a replay that did not come to its end.
const FAILED: i32 = 1;

/// From now on SIGINT, SIGTERM and SIGHUP do not end the process, but set this.
pub fn at_signals() -> Result<Stop, ReplayError> {
    let stop = Stop::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(ReplayError::Signals)?;
    let guard = runtime.enter();
    let mut signals = Signals::new().map_err(ReplayError::Signals)?;
    drop(guard);
    let set = stop.clone();
    let wait = move || {
        runtime.block_on(async {
            signals.next().await;
            set.set();
            signals.next().await;
        });
        std::process::exit(FAILED);
    };
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(wait).map_err(ReplayError::Signals)?;
    Ok(stop)
}

/// All that ask for an end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    fn next(&mut self) -> impl Future<Output = ()> {
        let [interrupt, terminate, hangup] = &mut self.0;
        async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }
    }
}
