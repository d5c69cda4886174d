//! Where a bundle's files are: in its folder, or in a private one that its archive was unpacked into
//! and that goes with this value.
//!
//! Never: a file outside the private folder; a name of it in an error.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Stop;
use super::archive::{self, Limits};
use super::error::{BundleError, Cause};
use super::scratch::Scratch;

/// An opened place.
#[derive(Debug)]
pub struct Place {
    given: PathBuf,
    folder: PathBuf,
    scratch: Option<Scratch>,
}

impl Place {
    /// Takes a folder as it is, and unpacks what is a file, unless that is to stop.
    pub fn open(given: &Path, stop: &Stop) -> Result<Self, BundleError> {
        let is_folder = is_folder(given).map_err(|cause| cause.of(given))?;
        let given = given.to_owned();
        if is_folder {
            return Ok(Self {
                folder: given.clone(),
                given,
                scratch: None,
            });
        }
        let scratch = Scratch::new()?;
        archive::unpack(&given, scratch.path(), Limits::default(), stop)?;
        Ok(Self {
            folder: top(scratch.path()),
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
        let inside = scratch.and_then(|scratch| error.path.strip_prefix(scratch.path()).ok());
        match inside {
            Some(inside) => error.cause.of(&self.given.join(inside)),
            None => error,
        }
    }
}

/// False of a file.
fn is_folder(given: &Path) -> Result<bool, Cause> {
    const GIVE: &str = "give a bundle's folder or its .tar.gz";
    match fs::metadata(given) {
        Ok(about) if about.is_dir() => Ok(true),
        Ok(about) if about.is_file() => Ok(false),
        Ok(_) => Err(Cause::Content(format!("neither folder nor file; {GIVE}"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Cause::Content(format!("not there; {GIVE}")))
        }
        Err(error) => Err(Cause::Io(error)),
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
