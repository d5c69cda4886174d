//! Ctrl-C while a scenario runs: the lab is removed before the process ends.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::RealLab;
use crate::report;

/// The exit code of a program that Ctrl-C has ended, as shells count it.
const INTERRUPTED: i32 = 130;
/// What was being made when the signal came is made, or has failed, by then.
const UNDER_WAY: Duration = Duration::from_millis(1500);

/// Whether a signal has come that ends the process.
static HAS_COME: AtomicBool = AtomicBool::new(false);

/// From now on a signal that ends the process removes the lab first.
pub fn remove_lab_on_signal() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            HAS_COME.store(true, Ordering::Relaxed);
            report::progress("interrupted: the lab is being removed");
            remove();
            thread::sleep(UNDER_WAY);
            remove();
            process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

/// What came of the work. What fails because the lab is being removed under it is no failure: then
/// this waits for the end of the process instead.
pub fn unless_interrupted<T, E>(outcome: Result<T, E>) -> Result<T, E> {
    while outcome.is_err() && has_come() {
        thread::park();
    }
    outcome
}

/// Whether the lab is being removed, so that nothing of it can be kept.
pub(super) fn has_come() -> bool {
    HAS_COME.load(Ordering::Relaxed)
}

/// Removes the lab if this very process brought it up.
fn remove() {
    if RealLab::is_own()
        && let Err(cause) = RealLab::down()
    {
        report::error(cause);
    }
}
