//! Where a bundle's files are: in its folder, or in a private one that its archive was unpacked into
//! and that goes with this value.
//!
//! Never: a file outside the private folder; a name of it in an error.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::archive::{self, Limits};
use super::error::{BundleError, Cause};

/// Names that are tried for a private folder.
const TRIES: u32 = 1_000;

/// An opened place.
#[derive(Debug)]
pub struct Place {
    given: PathBuf,
    folder: PathBuf,
    scratch: Option<Scratch>,
}

impl Place {
    /// Takes a folder as it is, and unpacks what is a file.
    pub fn open(given: &Path) -> Result<Self, BundleError> {
        let given = given.to_owned();
        if !given.is_file() {
            return Ok(Self {
                folder: given.clone(),
                given,
                scratch: None,
            });
        }
        let scratch = Scratch::new()?;
        archive::unpack(&given, &scratch.0, Limits::default())?;
        Ok(Self {
            folder: top(&scratch.0),
            given,
            scratch: Some(scratch),
        })
    }

    /// The bundle's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// An error about a file of the private folder as one about the archive's.
    #[must_use]
    pub fn name(&self, error: BundleError) -> BundleError {
        let scratch = self.scratch.as_ref();
        let inside = scratch.and_then(|scratch| error.path.strip_prefix(&scratch.0).ok());
        match inside {
            Some(inside) => error.cause.of(&self.given.join(inside)),
            None => error,
        }
    }
}

/// An archive may hold a bundle's files, or the folder with them.
fn top(folder: &Path) -> PathBuf {
    let is_top = folder.join("bundle.json").exists();
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    match (entries.next(), entries.next()) {
        (Some(only), None) if !is_top && only.path().is_dir() => only.path(),
        _ => folder.to_owned(),
    }
}

/// A folder that only its owner can read, removed with all that is in it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, BundleError> {
        let parent = std::env::temp_dir();
        let process = std::process::id();
        for number in 0..TRIES {
            let path = parent.join(format!("observer-replay-{process}-{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // What is there already, be it a link, is left alone.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Cause::Io(error).of(&path)),
            }
        }
        let cause = "no free name for a private folder; remove observer-replay-*".to_owned();
        Err(Cause::Content(cause).of(&parent))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("remove {:?}: {error}; remove it by hand", self.0);
        }
    }
}
