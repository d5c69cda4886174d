//! Bundles as `.tar.gz`: the same document as of their folders, and hostile ones refused by entry.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use observer::record::Stop;
use observer::replay::replay;
use tar::{Builder, EntryType, Header};

use super::bundle::Folder;
use super::frames::{Road, talk};

type Entries<'a> = &'a mut Builder<Vec<u8>>;

/// An archive beside the files of its bundle, and removed with them.
fn archive(folder: &Folder, top: &str) -> PathBuf {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_dir_all(top, folder.path())
        .expect("the folder's files");
    packed(folder, &builder.into_inner().expect("an archive"))
}

fn packed(folder: &Folder, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("n1.tar.gz");
    let file = File::create(&path).expect("a file");
    let mut encoder = GzEncoder::new(file, Compression::fast());
    encoder.write_all(bytes).expect("its bytes");
    encoder.finish().expect("its check sum");
    path
}

fn said(path: &Path) -> String {
    replay(&[path.to_owned()], &Stop::default()).expect("a document")
}

#[test]
fn an_archive_says_what_its_folder_says_and_leaves_nothing_behind() {
    let (one, _) = talk(Road::Lan);
    let wanted = said(one.path());
    for top in ["n1", ".", ""] {
        assert_eq!(said(&archive(&one, top)), wanted, "{top:?}");
        one.remove("n1.tar.gz");
    }
}

#[test]
fn entries_that_leave_the_folder_are_refused_by_name() {
    let check = |name: &str, kind: EntryType, size: u64, says: &[&str]| {
        let (one, _) = talk(Road::Lan);
        let mut builder = Builder::new(Vec::new());
        append(&mut builder, name, kind, size);
        refused(
            &packed(&one, &builder.into_inner().expect("an archive")),
            says,
        );
    };
    let file = EntryType::Regular;
    check(
        "/tmp/netpath-absolute",
        file,
        0,
        &["entry \"/tmp/netpath-absolute\"", "absolute"],
    );
    check("n1/../../x", file, 0, &["entry \"n1/../../x\"", "`..`"]);
    check(
        "n1/../../y",
        EntryType::Directory,
        0,
        &["\"n1/../../y\"", "`..`"],
    );
    check(
        "n1/packets",
        EntryType::Symlink,
        0,
        &["\"n1/packets\"", "symbolic link"],
    );
    check("n1/a", EntryType::Link, 0, &["\"n1/a\"", "hard link"]);
    check("n1/b", EntryType::Block, 0, &["\"n1/b\"", "device"]);
    check("n1/c", EntryType::Char, 0, &["\"n1/c\"", "device"]);
    check("n1/d", EntryType::Fifo, 0, &["\"n1/d\"", "FIFO"]);
    check("n1/\u{1b}[2J", EntryType::Fifo, 0, &["n1/\\u{1b}[2J"]);
    check("n1/big", file, 5 << 30, &["\"n1/big\"", "5368709120 bytes"]);
    check("n1/cut", file, 4_000, &["byte ", "ends"]);
}

#[test]
fn a_file_that_stands_twice_and_a_pax_header_that_leads_out_are_refused() {
    let (one, _) = talk(Road::Lan);
    let with = |fill: &dyn Fn(Entries<'_>), says: &[&str]| {
        let mut builder = Builder::new(Vec::new());
        fill(&mut builder);
        refused(
            &packed(&one, &builder.into_inner().expect("an archive")),
            says,
        );
    };
    let twice = |builder: Entries<'_>| {
        append(builder, "n1/a", EntryType::Regular, 0);
        append(builder, "n1/a", EntryType::Regular, 0);
    };
    with(&twice, &["entry \"n1/a\"", "exists"]);
    let pax = |key: &'static str, value: &'static [u8]| {
        move |builder: Entries<'_>| {
            let extensions = [(key, value)];
            builder.append_pax_extensions(extensions).expect("a header");
            append(builder, "n1/a", EntryType::Regular, 0);
        }
    };
    with(&pax("path", b"../x"), &["entry \"../x\"", "`..`"]);
    with(
        &pax("path", b"/\xff\x1b"),
        &["entry \"/\u{fffd}\\u{1b}\"", "absolute"],
    );
    with(&pax("size", b"7"), &["pax header"]);
}

#[test]
fn a_damaged_archive_is_refused_with_the_byte() {
    let (one, _) = talk(Road::Lan);
    let path = archive(&one, "n1");
    let whole = fs::read(&path).expect("the archive");
    let with = |bytes: &[u8], says: &[&str]| {
        fs::write(&path, bytes).expect("the archive");
        refused(&path, says);
    };
    let half = whole.len() / 2;
    let byte = format!("byte {half} ");
    with(&whole[..half], &["n1.tar.gz", &byte]);
    with(&whole[..whole.len() - 8], &["n1.tar.gz", "byte "]);
    let mut wrong = whole.clone();
    let sum = wrong.len() - 6;
    wrong[sum] ^= 1;
    with(&wrong, &["n1.tar.gz", "byte "]);
    with(b"PK\x03\x04 no gzip", &["n1.tar.gz", "gzip"]);
    with(b"", &["n1.tar.gz", "byte 0: "]);
    // Cut where an entry ends, and packed again.
    let mut builder = Builder::new(Vec::new());
    append(&mut builder, "n1/a", EntryType::Regular, 0);
    let bytes = builder.get_ref().clone();
    refused(&packed(&one, &bytes), &["without its end mark"]);
    let mut noise = bytes;
    noise.extend([7; 1_024]);
    refused(&packed(&one, &noise), &["n1.tar.gz", "byte "]);
}

#[test]
fn a_damaged_file_of_an_archive_is_named_by_the_archive_and_its_entry() {
    let (one, _) = talk(Road::Lan);
    one.cut("packets/cni0.in.pcap", 50);
    let says = ["/n1.tar.gz/n1/packets/cni0.in.pcap\"", "byte 40", "ends"];
    refused(&archive(&one, "n1"), &says);
}

fn append(builder: Entries<'_>, name: &str, kind: EntryType, size: u64) {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, std::io::empty()).expect("an entry");
}

fn refused(path: &Path, says: &[&str]) {
    let error = replay(&[path.to_owned()], &Stop::default())
        .expect_err(says[0])
        .to_string();
    assert!(
        says.iter().all(|part| error.contains(part)),
        "{says:?}: {error}"
    );
    let is_plain = error.chars().all(|character| !character.is_control());
    assert!(is_plain, "{error:?}");
    let own = format!("observer-replay-{}-", std::process::id());
    let entries = fs::read_dir(std::env::temp_dir()).expect("the folder for such files");
    // Those of the other tests of this process go while this looks.
    let names = entries.flatten().map(|entry| entry.file_name());
    let left: Vec<_> = names
        .filter(|name| name.to_string_lossy().starts_with(&own))
        .collect();
    assert!(left.len() <= MOST_AT_ONCE, "{left:?}");
}

/// Threads of this test's process that may be in the middle of an archive.
const MOST_AT_ONCE: usize = 8;
