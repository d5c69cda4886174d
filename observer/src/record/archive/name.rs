//! Names of an archive's entries: as their headers say, or the pax header before them; and which of them
//! stay inside the folder.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use tar::{Entry, EntryType, PaxExtensions};

use super::Wrong;

/// The most bytes of a pax header: times, owners and a name.
const HEADER: u64 = 64 << 10;
/// The most bytes of a name.
const LONGEST: usize = 255;

/// The name that a pax header gives the entry behind it.
#[derive(Default)]
pub(super) struct Names {
    next: Option<Vec<u8>>,
}

impl Names {
    /// Takes the name out of a pax header; what changes how the file is read is refused.
    pub(super) fn read<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Wrong> {
        if entry.header().entry_type().is_pax_global_extensions() {
            return Ok(());
        }
        if entry.size() > HEADER {
            let why = format!("a pax header of more than {HEADER} bytes");
            return Err(Wrong::Entry(why));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        for extension in PaxExtensions::new(&bytes) {
            let extension = extension?;
            match extension.key_bytes() {
                b"path" => self.next = Some(extension.value_bytes().to_vec()),
                key if key == b"size" || key.starts_with(b"GNU.sparse") => {
                    let why = "a pax header with `size` or `GNU.sparse`, which are not read";
                    return Err(Wrong::Entry(why.to_owned()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The name of an entry whose own header says `own`.
    pub(super) fn take(&mut self, own: &[u8]) -> Vec<u8> {
        self.next.take().unwrap_or_else(|| own.to_vec())
    }
}

/// True for a header of its own, which is no entry.
pub(super) fn is_pax(kind: EntryType) -> bool {
    kind.is_pax_local_extensions() || kind.is_pax_global_extensions()
}

/// A name as a path, to be shown.
pub(super) fn path(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

/// A name as a path that stays in the folder, or why it does not.
pub(super) fn inside(name: &[u8]) -> Result<PathBuf, &'static str> {
    if name.len() > LONGEST {
        return Err("a name of more than 255 bytes");
    }
    let mut inside = PathBuf::new();
    for component in path(name).components() {
        match component {
            Component::Normal(part) => inside.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("its name leaves the bundle by `..`"),
            Component::RootDir | Component::Prefix(_) => {
                return Err("its name is absolute and leaves the bundle");
            }
        }
    }
    Ok(inside)
}
