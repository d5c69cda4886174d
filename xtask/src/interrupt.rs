//! Ctrl-C, SIGTERM and a closed terminal end long work in order: they only raise its stop token, and
//! everything is taken down where it was put up.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::traffic::Stop;

/// A token that the signals set, from now until this process ends.
pub(crate) fn watch() -> io::Result<Stop> {
    let stop = Stop::default();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let told = stop.clone();
    // Ends with the process: it owns nothing but the token.
    thread::spawn(move || {
        for _ in signals.forever() {
            told.set();
        }
    });
    Ok(stop)
}
