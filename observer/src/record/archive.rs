//! A bundle's `.tar.gz`, unpacked into an empty folder. Its entries are hostile: each is bounded and
//! checked before a byte of it is written.
//!
//! Never: a file outside the folder, or one that was there; a link, a device, an owner or a mode made.

mod name;
mod stream;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use tar::{Entry, EntryType};

use super::Stop;
use super::document::escaped;
use super::error::{BundleError, Cause};
use name::Names;
use stream::{Counted, Limited};

/// What a gzip file begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How much of an archive is unpacked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of all, with what stands between the files.
    pub(super) bytes: u64,
    /// Files, folders and headers of them.
    pub(super) entries: u64,
}

impl Default for Limits {
    /// Twice what `record` keeps by default; a folder has no such limit.
    fn default() -> Self {
        Self {
            bytes: 2 << 30,
            entries: 4_096,
        }
    }
}

/// What is wrong: with an entry, or with the stream that holds them.
enum Wrong {
    Entry(String),
    Stream(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

/// Unpacks `archive` into the empty `folder`, unless that is to stop.
pub(super) fn unpack(
    archive: &Path,
    folder: &Path,
    limits: Limits,
    stop: &Stop,
) -> Result<(), BundleError> {
    let failed = |error| Cause::Io(error).of(archive);
    let mut file = BufReader::new(File::open(archive).map_err(failed)?);
    if !file.fill_buf().map_err(failed)?.starts_with(&GZIP) {
        let cause = "byte 0: it does not begin as gzip does; give a bundle's folder or its .tar.gz";
        return Err(Cause::Content(cause.to_owned()).of(archive));
    }
    let counted = Counted::new(file);
    let offset = counted.offset();
    let unpacked = Limited::new(MultiGzDecoder::new(counted), limits.bytes, stop);
    take(unpacked, folder, limits).map_err(|wrong| {
        let cause = match wrong {
            Wrong::Entry(why) => why,
            // The libraries quote what stands in the archive.
            Wrong::Stream(error) => {
                let why = escaped(&error.to_string());
                let ask = if error.kind() == io::ErrorKind::UnexpectedEof {
                    "; was it cut off?"
                } else {
                    ""
                };
                format!("byte {} of a .tar.gz: {why}{ask}", offset.get())
            }
        };
        Cause::Content(cause).of(archive)
    })
}

fn take<R: Read>(unpacked: Limited<'_, R>, folder: &Path, limits: Limits) -> Result<(), Wrong> {
    let mut archive = tar::Archive::new(unpacked);
    let mut names = Names::default();
    let mut entries = 0;
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        entries += 1;
        if entries > limits.entries {
            let why = format!("more than {} entries", limits.entries);
            return Err(Wrong::Entry(why));
        }
        let kind = entry.header().entry_type();
        if name::is_pax(kind) {
            names.read(&mut entry)?;
            continue;
        }
        let shown = names.take(&entry.path_bytes());
        write(&mut entry, &shown, folder, limits).map_err(|wrong| match wrong {
            Wrong::Entry(why) => {
                let name = String::from_utf8_lossy(&shown);
                Wrong::Entry(format!("entry {name:?}: {why}"))
            }
            stream @ Wrong::Stream(_) => stream,
        })?;
    }
    let mut rest = archive.into_inner();
    if rest.has_ended() {
        return Err(cut_off("the archive ends without its end mark"));
    }
    // What follows the end mark is the check sum of all.
    io::copy(&mut rest, &mut io::sink())?;
    Ok(())
}

fn write<R: Read>(
    entry: &mut Entry<'_, R>,
    shown: &[u8],
    folder: &Path,
    limits: Limits,
) -> Result<(), Wrong> {
    let inside = name::inside(shown).map_err(|why| Wrong::Entry(why.to_owned()))?;
    let path = folder.join(inside);
    let kind = entry.header().entry_type();
    let failed = |error: io::Error| Wrong::Entry(format!("unpack it: {error}"));
    if kind.is_dir() {
        return fs::create_dir_all(path).map_err(failed);
    }
    if !kind.is_file() {
        let why = format!("{}; a bundle holds files and folders alone", name_of(kind));
        return Err(Wrong::Entry(why));
    }
    let size = entry.size();
    if size > limits.bytes {
        let most = limits.bytes;
        let why = format!(
            "{size} bytes long; at most {most} are unpacked of an archive: unpack it and give its folder"
        );
        return Err(Wrong::Entry(why));
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = File::create_new(&path).map_err(failed)?;
    if io::copy(entry, &mut file)? < size {
        return Err(cut_off("the archive ends within a file"));
    }
    Ok(())
}

fn cut_off(what: &str) -> Wrong {
    Wrong::Stream(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

fn name_of(kind: EntryType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_hard_link() {
        "a hard link"
    } else if kind.is_character_special() || kind.is_block_special() {
        "a device"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_gnu_longname() {
        "a name of more than a hundred bytes"
    } else {
        "of a kind that is not read"
    }
}

#[cfg(test)]
mod tests;
