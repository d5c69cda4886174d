//! Archives that want more than they may.

use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

/// A folder of the test's own with an archive of `files` zeros each.
struct Room(PathBuf);

impl Room {
    fn new(name: &str, files: &[(&str, usize)]) -> Self {
        let own = format!("netpath-archive-{}-{name}", std::process::id());
        let room = Self(std::env::temp_dir().join(own));
        fs::create_dir_all(room.0.join("into")).expect("a folder");
        let file = File::create(room.archive()).expect("a file");
        let mut builder = Builder::new(GzEncoder::new(file, Compression::fast()));
        for &(name, length) in files {
            let mut header = Header::new_ustar();
            header.set_size(length as u64);
            header.set_mode(0o644);
            let zeros = vec![0; length];
            builder
                .append_data(&mut header, name, &zeros[..])
                .expect("an entry");
        }
        let encoder = builder.into_inner().expect("an archive");
        encoder.finish().expect("a check sum");
        room
    }

    fn archive(&self) -> PathBuf {
        self.0.join("n1.tar.gz")
    }

    fn unpack(&self, bytes: u64, entries: u64) -> Result<(), String> {
        let limits = Limits { bytes, entries };
        let into = self.0.join("into");
        unpack(&self.archive(), &into, limits, &Stop::default()).map_err(|error| error.to_string())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder");
    }
}

#[test]
fn no_more_bytes_and_entries_than_may_be() {
    let files = [("a", 4_000), ("b", 4_000), ("c", 20_000)];
    let check = |name, bytes, entries, says: &[&str]| {
        let room = Room::new(name, &files);
        let error = room.unpack(bytes, entries).expect_err(says[0]);
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
    };
    check("bytes", 20_000, 3, &["more than 20000 bytes", "byte "]);
    check("file", 10_000, 3, &["entry \"c\"", "20000 bytes long"]);
    check("entries", 40_000, 2, &["more than 2 entries"]);
    let room = Room::new("fits", &files);
    assert_eq!(room.unpack(40_000, 3), Ok(()));
    let length = fs::metadata(room.0.join("into/c")).expect("a file").len();
    assert_eq!(length, 20_000);
}
