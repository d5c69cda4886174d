//! A delay that can be changed while a process runs: a file with milliseconds, re-read now and
//! then. An unreadable or odd file means the last good value; a missing one means none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::LabError;

/// How old a value may be before the file is read again.
const FRESH: Duration = Duration::from_millis(10);

/// The reading end of a delay file.
#[derive(Debug)]
pub(crate) struct Knob {
    path: PathBuf,
    value: Duration,
    read: Option<Instant>,
}

impl Knob {
    /// A knob over a file that need not exist yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            value: Duration::ZERO,
            read: None,
        }
    }

    /// The delay as of `now`.
    pub(crate) fn value(&mut self, now: Instant) -> Duration {
        if self
            .read
            .is_none_or(|read| now.duration_since(read) >= FRESH)
        {
            self.read = Some(now);
            self.value = match fs::read_to_string(&self.path) {
                Ok(text) => parse(&text).unwrap_or(self.value),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Duration::ZERO,
                Err(_) => self.value,
            };
        }
        self.value
    }
}

/// Sets a delay file; readers follow within [`FRESH`].
pub(crate) fn set(path: &Path, delay: Duration) -> Result<(), LabError> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, format!("{}\n", delay.as_secs_f64() * 1e3))
        .and_then(|()| fs::rename(&fresh, path))
        .map_err(|cause| LabError::io(format!("set delay in {}", path.display()), cause))
}

/// Milliseconds, with a fraction if wanted.
fn parse(text: &str) -> Option<Duration> {
    let milliseconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn milliseconds_may_have_a_fraction() {
        assert_eq!(parse(" 2.5\n"), Some(Duration::from_micros(2500)));
    }

    #[test]
    fn nonsense_is_no_delay_value() {
        assert_eq!((parse("-1"), parse("x"), parse("")), (None, None, None));
    }
}
