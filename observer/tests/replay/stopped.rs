//! Replays that do not come to their end: a signal leaves no private folder, and what a kill left the next
//! replay removes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, kill_process};
use tar::Header;

use super::bundle::Folder;
use super::frames::{Road, talk};

/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A part of the archive's long file, and how many there are: more than is unpacked before a signal comes.
const PART: usize = 4 << 20;
const PARTS: usize = 500;

/// A place for private folders, and an archive that takes long.
struct Room {
    folder: Folder,
    archive: PathBuf,
    private: PathBuf,
}

impl Room {
    fn new() -> Self {
        let (folder, _) = talk(Road::Lan);
        let archive = folder.path().join("long.tar.gz");
        let private = folder.path().join("private");
        fs::create_dir(&private).expect("a folder");
        long(&archive).expect("an archive");
        Self {
            folder,
            archive,
            private,
        }
    }

    fn replay(&self, bundle: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_observer"));
        command.arg("replay").arg(bundle);
        command.env("TMPDIR", &self.private);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the command")
    }

    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.private).expect("the folder");
        entries.flatten().map(|entry| entry.path()).collect()
    }

    /// Ends a replay by a signal while it unpacks.
    fn end_by(&self, signal: Signal) -> Output {
        let replay = self.replay(&self.archive);
        let begun = Instant::now();
        let is_there = |path: &PathBuf| path.join("n1/packets/any.pcap").exists();
        while !self.left().iter().any(is_there) {
            assert!(begun.elapsed() < PATIENCE, "it does not begin");
            sleep(Duration::from_millis(1));
        }
        let id = i32::try_from(replay.id()).expect("an id");
        kill_process(Pid::from_raw(id).expect("an id"), signal).expect("a signal");
        replay.wait_with_output().expect("its end")
    }
}

/// A tar file with one long file of zeros, each part of it compressed by itself.
fn long(path: &Path) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path("n1/packets/any.pcap")?;
    header.set_size((PART * PARTS) as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let part = packed(&vec![0; PART])?;
    let mut file = File::create(path)?;
    file.write_all(&packed(header.as_bytes())?)?;
    for _ in 0..PARTS {
        file.write_all(&part)?;
    }
    Ok(())
}

fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[test]
fn a_signal_ends_a_replay_and_leaves_nothing() {
    let room = Room::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let output = room.end_by(signal);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("stopped by a signal"), "{said}");
        assert!(output.stdout.is_empty());
        assert_eq!(room.left(), [] as [PathBuf; 0]);
    }
}

#[test]
fn what_a_kill_left_the_next_replay_of_an_archive_removes() {
    let room = Room::new();
    room.end_by(Signal::KILL);
    let left = room.left();
    assert_eq!(left.len(), 1, "nobody could remove it");
    let other = room.folder.path().join("n1.tar.gz");
    fs::write(&other, packed(&[0; 1_024]).expect("an archive")).expect("a file");
    let output = room.replay(&other).wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr);
    let name = left[0].file_name().expect("a name").to_string_lossy();
    assert!(said.contains("did not come to its end"), "{said}");
    assert!(said.contains(&*name), "{said}");
    assert_eq!(room.left(), [] as [PathBuf; 0]);
}
