//! Waiting for something that other programs do: asks again and again until it is so, or says that
//! it was not in time.

use std::thread;
use std::time::{Duration, Instant};

use crate::lab::LabError;

/// Between two questions.
const POLL: Duration = Duration::from_millis(40);

/// Waits until `is_so` says yes. An error of the question ends the waiting.
pub(crate) fn await_true(
    what: &str,
    patience: Duration,
    mut is_so: impl FnMut() -> Result<bool, LabError>,
) -> Result<(), LabError> {
    let begun = Instant::now();
    loop {
        if is_so()? {
            return Ok(());
        }
        if begun.elapsed() > patience {
            return Err(LabError::Timeout {
                what: what.to_owned(),
                seconds: begun.elapsed().as_secs_f64(),
                detail: "look with `cargo xtask lab shell`, and at the logs in its directory"
                    .into(),
            });
        }
        thread::sleep(POLL);
    }
}
