//! The two files and the account of what went into them. A request is written whole by one call, or
//! refused whole and counted; the first failed write ends the sink. It knows nothing of gRPC.

use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::SinkError;
use super::value::Malformed;

/// What went in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) spans: u64,
    pub(crate) points: u64,
    pub(crate) requests: u64,
    /// Requests of which nothing was written.
    pub(crate) refused: u64,
}

impl Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            spans,
            points,
            requests,
            refused,
        } = self;
        write!(
            f,
            "{spans} spans, {points} points, {requests} requests, {refused} refused"
        )
    }
}

/// A file of JSON lines.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: Mutex<File>,
}

impl Lines {
    /// Opens it for appending.
    pub(crate) fn open(path: &Path) -> Result<Self, SinkError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|source| SinkError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }

    /// Appends all lines at once; the number of them.
    pub(crate) fn append<T: Serialize>(&self, lines: &[T]) -> Result<u64, SinkError> {
        let failed = |source| SinkError::Write {
            path: self.path.clone(),
            source,
        };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| failed(error.into()))?;
            text.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text).map_err(failed)?;
        Ok(lines.len() as u64)
    }

    /// The device and inode of the file: two names may lead to one.
    pub(crate) fn identity(&self) -> io::Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let data = file.metadata()?;
        Ok((data.dev(), data.ino()))
    }
}

/// Both files and the account.
#[derive(Debug)]
pub(crate) struct Store {
    spans: Lines,
    points: Lines,
    totals: Mutex<Totals>,
}

/// Why a request was not taken.
#[derive(Debug)]
pub(crate) enum Untaken {
    /// It is against the protocol.
    Malformed(Malformed),
    /// The sink cannot go on.
    Failed(SinkError),
}

impl Store {
    /// Opens both files.
    pub(crate) fn open(spans: &Path, points: &Path) -> Result<Self, SinkError> {
        let store = Self {
            spans: Lines::open(spans)?,
            points: Lines::open(points)?,
            totals: Mutex::default(),
        };
        let identity = |lines: &Lines| {
            lines.identity().map_err(|source| SinkError::Open {
                path: lines.path.clone(),
                source,
            })
        };
        if identity(&store.spans)? == identity(&store.points)? && is_regular(spans) {
            return Err(SinkError::SameFile(spans.to_owned()));
        }
        Ok(store)
    }

    /// Writes the spans of a request down.
    pub(crate) fn take_spans<T: Serialize>(
        &self,
        lines: Result<Vec<T>, Malformed>,
    ) -> Result<(), Untaken> {
        let written = self.take(&self.spans, lines)?;
        self.count(|totals| totals.spans += written);
        Ok(())
    }

    /// Writes the data points of a request down.
    pub(crate) fn take_points<T: Serialize>(
        &self,
        lines: Result<Vec<T>, Malformed>,
    ) -> Result<(), Untaken> {
        let written = self.take(&self.points, lines)?;
        self.count(|totals| totals.points += written);
        Ok(())
    }

    /// The account so far.
    pub(crate) fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take<T: Serialize>(
        &self,
        file: &Lines,
        lines: Result<Vec<T>, Malformed>,
    ) -> Result<u64, Untaken> {
        self.count(|totals| totals.requests += 1);
        let taken = lines
            .map_err(Untaken::Malformed)
            .and_then(|lines| file.append(&lines).map_err(Untaken::Failed));
        if taken.is_err() {
            self.count(|totals| totals.refused += 1);
        }
        taken
    }

    fn count(&self, add: impl FnOnce(&mut Totals)) {
        add(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// False for devices such as `/dev/null`, which may stand for both files.
fn is_regular(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file())
}
