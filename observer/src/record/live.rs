//! Writes the bundle of this node: its packets as they pass, and its tables. Nothing is sent, and nothing
//! of the node is changed.
//!
//! Never: a packet judged, a file outside the bundle's folder.

mod calls;
mod file;
mod local_api;
mod tables;
mod tap;
mod wall;

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::config::Network;
use file::{Counts, Packets};
use tables::Devices;
use tap::{Lost, Tap};

pub use local_api::SOCKET;

/// What is to be recorded, and where to.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The bundle's folder: new, or empty.
    pub folder: PathBuf,
    /// Name of the node.
    pub node: String,
    /// Networks of all pods, one per address family; none if nobody says.
    pub cluster_cidr: Vec<Network>,
    /// When to end by itself; else at a signal.
    pub duration: Option<Duration>,
    /// The most bytes of packets.
    pub most: u64,
    /// The socket of tailscaled, where it is not at the usual place.
    pub tailscale_socket: Option<PathBuf>,
}

/// What was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    lost: Lost,
    counts: Counts,
    has_marks: bool,
}

/// A bundle cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder holds something.
    #[error("write a bundle into {0:?}: something is in it; name a new folder")]
    NotEmpty(PathBuf),
    /// A file or folder cannot be written.
    #[error(
        "write {path:?}: {source}; name a folder that can be written and has room, or less --size"
    )]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A table cannot be had without which there is no bundle.
    #[error("run `{command}`: {reason}")]
    Table {
        /// The tool and its arguments.
        command: String,
        /// Why.
        reason: String,
    },
    /// The packets cannot be seen.
    #[error("open a packet socket: {0}; needs CAP_NET_RAW, and CAP_NET_ADMIN for its full buffer")]
    Open(io::Error),
    /// The packets cannot be taken any longer.
    #[error("take packets: {0}")]
    Take(io::Error),
    /// Signals cannot be waited for.
    #[error("wait for signals: {0}")]
    Signals(io::Error),
}

impl RecordError {
    /// The process' exit code: 2 wrong arguments, 3 rights in the way, 1 all else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotEmpty(_) => 2,
            Self::Open(_) => 3,
            Self::Write { .. } | Self::Table { .. } | Self::Take(_) | Self::Signals(_) => 1,
        }
    }
}

/// Records until the time is over or a signal comes.
pub fn record(recording: &Recording) -> Result<Recorded, RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(RecordError::Signals)?
        .block_on(follow(recording))
}

async fn follow(recording: &Recording) -> Result<Recorded, RecordError> {
    let folder = recording.folder.as_path();
    // A folder is made only once nothing else stands in the way.
    let before = Devices::read()?;
    let mut tap = Tap::open().map_err(RecordError::Open)?;
    make(folder)?;
    let path = folder.join("packets/all.pcapng");
    let failed = |source| RecordError::Write {
        path: path.clone(),
        source,
    };
    let open = |kind| signal(kind).map_err(RecordError::Signals);
    let (mut interrupt, mut terminate) = (
        open(SignalKind::interrupt())?,
        open(SignalKind::terminate())?,
    );
    tables::write_protocols(folder, "snmp.before.txt")?;
    let out = BufWriter::with_capacity(1 << 20, File::create_new(&path).map_err(failed)?);
    let mut packets = Packets::begin(out, recording.most).map_err(failed)?;
    let start = now();
    eprintln!("recording into {}", folder.display());
    let over = async {
        match recording.duration {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut written = Ok(());
    while written.is_ok() {
        let add = |frame: &tap::Taken<'_>| add(&mut packets, &mut written, frame);
        tokio::select! {
            taken = tap.take(add) => taken.map_err(RecordError::Take)?,
            () = &mut over => break,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    let end = now();
    if written.is_ok() {
        let add = |frame: &tap::Taken<'_>| add(&mut packets, &mut written, frame);
        tap.drain(end, add).map_err(RecordError::Take)?;
    }
    written.map_err(failed)?;
    let counts = packets.finish().map_err(failed)?;
    let recorded = Recorded {
        lost: tap.lost().map_err(RecordError::Take)?,
        counts,
        has_marks: tap.has_marks(),
    };
    Devices::read()?.write(before, folder)?;
    tables::write_others(folder)?;
    tables::write_protocols(folder, "snmp.after.txt")?;
    local_api::write_all(folder, recording.tailscale_socket.as_deref())?;
    let about = recorded.about(recording, [start, end]);
    tables::write(folder, "bundle.json", about.to_string().as_bytes())?;
    Ok(recorded)
}

/// Writes a frame, unless one before could not be written.
fn add<W: io::Write>(
    packets: &mut Packets<W>,
    written: &mut io::Result<()>,
    frame: &tap::Taken<'_>,
) {
    if written.is_ok() {
        *written = packets.add(frame, calls::name);
    }
}

impl Recorded {
    /// The document that names the bundle, and says what is not in it. It is written last: a recording
    /// that did not come to its end is no bundle.
    fn about(&self, recording: &Recording, times: [u64; 2]) -> serde_json::Value {
        let [start, end] = times.map(wall::in_words);
        let networks = recording.cluster_cidr.iter().map(Network::to_string);
        let networks: Vec<_> = networks.collect();
        let mut about = json!({
            "version": super::bundle::VERSION,
            "node": recording.node,
            "start": start,
            "end": end,
            "recorded": {
                "frames": self.counts.kept,
                "snap_length": tap::SNAP_LENGTH,
                "marks": self.has_marks,
                "lost": {
                    "no_room": self.lost.no_room,
                    "not_described": self.lost.not_described,
                    "beyond_size": self.counts.beyond,
                    "no_reader": self.counts.no_reader,
                },
            },
        });
        if !networks.is_empty() {
            about["cluster_cidr"] = networks.join(",").into();
        }
        about
    }

    /// One line about it.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { lost, counts, .. } = self;
        let marks = if self.has_marks {
            ""
        } else {
            "; this kernel shows no marks"
        };
        format!(
            "{} frames; lost: {} without room, {} not described, {} beyond the size, {} of devices \
             that are not read{marks}",
            counts.kept, lost.no_room, lost.not_described, counts.beyond, counts.no_reader
        )
    }
}

/// Makes the folder, which nobody else may look into: packets hold what people sent.
fn make(folder: &Path) -> Result<(), RecordError> {
    let failed = |source| RecordError::Write {
        path: folder.to_owned(),
        source,
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(RecordError::NotEmpty(folder.to_owned()));
    }
    builder.create(folder.join("packets")).map_err(failed)
}

/// Says what is not in the bundle.
fn missing(name: &str, why: &str) {
    eprintln!("{name} is not in the bundle: {why}");
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}
