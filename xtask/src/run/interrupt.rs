//! Ctrl-C, SIGTERM and a closed terminal end a trial in order: they only raise its stop token, and
//! everything is taken down where it was put up.

use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::RunError;
use crate::traffic::Stop;

/// A token that the signals set, from now until this process ends.
pub(super) fn watch() -> Result<Stop, RunError> {
    let stop = Stop::default();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(RunError::Signals)?;
    let told = stop.clone();
    // Ends with the process: it owns nothing but the token.
    thread::spawn(move || {
        for _ in signals.forever() {
            told.set();
        }
    });
    Ok(stop)
}
