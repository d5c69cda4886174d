//! Private folders for what archives hold. Each is locked while its process lives, so that those of a
//! process that did not come to its end are known by their missing lock, and removed by the next one.
//!
//! Never: a folder of another user touched, a link followed.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::{BundleError, Cause};

/// What the names of all such folders begin with.
const NAME: &str = "observer-replay-";
/// Names that are tried for a private folder.
const TRIES: u32 = 1_000;

/// A folder that only its owner can read, removed with all that is in it.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    /// Its lock goes with the process.
    _held: File,
}

impl Scratch {
    /// Makes one in the folder for temporary files, after those that were left there are removed.
    pub(super) fn new() -> Result<Self, BundleError> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(parent: &Path) -> Result<Self, BundleError> {
        clear(parent);
        let process = std::process::id();
        for number in 0..TRIES {
            let path = parent.join(format!("{NAME}{process}-{number}"));
            let made = DirBuilder::new().mode(0o700).create(&path);
            let held = made.and_then(|()| lock(&path));
            match held {
                Ok(Some(held)) => return Ok(Self { path, _held: held }),
                // Between the two it was taken for one that was left.
                Ok(None) => {}
                // What is there already, be it a link, is left alone.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let why = format!(
                        "make a private folder for the archive: {error}; TMPDIR names another place"
                    );
                    return Err(Cause::Content(why).of(&path));
                }
            }
        }
        let cause = format!("no free name for a private folder; remove {NAME}*");
        Err(Cause::Content(cause).of(parent))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes what processes left that did not come to their end.
fn clear(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|entry| is_ours(&entry.file_name().to_string_lossy()));
    for path in named.map(|entry| entry.path()) {
        if let Ok(Some(_held)) = lock(&path) {
            tracing::info!("remove {path:?}, left by a replay that did not come to its end");
            remove(&path);
        }
    }
}

/// True of names that [`Scratch`] gives: process and number.
fn is_ours(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name
        .strip_prefix(NAME)
        .and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!("remove {path:?}: {error}; remove it by hand");
    }
}

/// Locks an own folder; `None` if another process holds it, or it is gone meanwhile, or not the user's.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.read(true);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY);
    let folder = options.open(path)?;
    if folder.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    match folder.try_lock() {
        // A folder that was removed has no names.
        Ok(()) if folder.metadata()?.nlink() > 0 => Ok(Some(folder)),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of the test's own, in place of that for temporary files.
    struct Parent(PathBuf);

    impl Parent {
        fn new(name: &str) -> Self {
            let own = format!("netpath-scratch-{}-{name}", std::process::id());
            let parent = Self(std::env::temp_dir().join(own));
            fs::create_dir(&parent.0).expect("a folder");
            parent
        }

        /// What a process left, with a file in it.
        fn left(&self, name: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir(&path).expect("a folder");
            fs::write(path.join("any.pcap"), b"left").expect("a file");
            path
        }
    }

    impl Drop for Parent {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("the folder");
        }
    }

    #[test]
    fn folders_that_nobody_holds_are_removed_and_held_ones_stay() {
        let parent = Parent::new("left");
        let held = Scratch::new_in(&parent.0).expect("a folder");
        let left = parent.left("observer-replay-4194304-0");
        let others = [
            "others-replay-1",
            "observer-replay-mine",
            "observer-replay-1-b",
        ]
        .map(|name| parent.left(name));
        let second = Scratch::new_in(&parent.0).expect("another folder");
        assert!(!left.exists(), "nobody holds it");
        let stay = others.iter().all(|path| path.exists());
        assert!(stay, "they have other names");
        assert!(held.path().exists() && held.path() != second.path());
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists(), "it goes with its value");
    }

    #[test]
    fn links_are_neither_followed_nor_removed() {
        let parent = Parent::new("link");
        let target = parent.left("target");
        let link = parent.0.join("observer-replay-1-0");
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        Scratch::new_in(&parent.0).expect("a folder");
        assert!(target.join("any.pcap").exists() && link.is_symlink());
    }
}
