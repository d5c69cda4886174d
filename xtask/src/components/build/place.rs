//! Where a build stands in the cache until it is whole, and how it then gets to its place. Nothing
//! here is changed without the component's lock, and nothing is built here.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::components::table::Component;
use crate::components::{ComponentsError, key};
use crate::report;

/// A component's module files, and programs as they come, beside the place of its finished ones.
/// Removed when it is not finished.
pub(super) struct Staging {
    pub(super) folder: PathBuf,
    lock: File,
}

impl Staging {
    /// Waits until no other process builds this component, removes what killed builds have left, and
    /// lays out the module files. Nothing when the component is there after the wait.
    pub(super) fn begin(
        component: &Component,
        cache: &Path,
        is_whole: impl Fn() -> bool,
    ) -> Result<Option<Self>, ComponentsError> {
        let parent = cache.join(key::COMPONENTS);
        let made = fs::create_dir_all(&parent);
        made.map_err(|source| io_error("make", &parent, source))?;
        let lock = lock(component.name, &parent)?;
        if is_whole() {
            return Ok(None);
        }
        remove_leftovers(component.name, &parent)?;
        let folder = parent.join(format!("{}{}", prefix(component.name), process::id()));
        lay_out(component, &folder)?;
        Ok(Some(Self { folder, lock }))
    }

    /// Moves everything to its place in one step, replacing what is incomplete there.
    pub(super) fn finish(self, place: &Path) -> Result<(), ComponentsError> {
        remove(place)?;
        fs::rename(&self.folder, place).map_err(|source| io_error("make", place, source))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next build.
        drop(fs::remove_dir_all(&self.folder));
        // Closing alone would not give it back while a grandchild has it open.
        drop(self.lock.unlock());
    }
}

/// Held until it is given back, or until a builder that was killed and everything that it started
/// have ended: children inherit it, so that none of them writes beside the next builder.
fn lock(name: &str, parent: &Path) -> Result<File, ComponentsError> {
    let path = parent.join(format!(".{name}.lock"));
    let failed = |source| io_error("lock", &path, source);
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            report::progress(format_args!(
                "build {name}: another build is under way; waiting"
            ));
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let inherited = fcntl_setfd(&file, FdFlags::empty());
    inherited.map_err(|errno| failed(errno.into()))?;
    Ok(file)
}

fn prefix(name: &str) -> String {
    format!(".{name}-building-")
}

/// Removes what builds that were killed have left.
fn remove_leftovers(name: &str, parent: &Path) -> Result<(), ComponentsError> {
    let entries = fs::read_dir(parent).map_err(|source| io_error("read", parent, source))?;
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&prefix(name))
        {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), ComponentsError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", folder, source))
        }
        _ => Ok(()),
    }
}

fn lay_out(component: &Component, staging: &Path) -> Result<(), ComponentsError> {
    for (path, text) in component.files {
        let path = staging.join(path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text));
        written.map_err(|source| io_error("write", &path, source))?;
    }
    Ok(())
}

pub(super) fn io_error(action: &str, path: &Path, source: io::Error) -> ComponentsError {
    ComponentsError::Io {
        action: format!("{action} {}", path.display()),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::components::table::ETCD;

    #[test]
    fn what_a_builder_starts_holds_the_lock_until_it_is_given_back() {
        let cache = std::env::temp_dir().join(format!("netpath-place-{}", process::id()));
        let begin = || Staging::begin(&ETCD, &cache, || false);
        let staging = begin().expect("begin").expect("nothing is there");
        let open = Command::new("ls").args(["-l", "/proc/self/fd"]).output();
        let open = String::from_utf8_lossy(&open.expect("start ls").stdout).into_owned();
        assert!(open.contains(".etcd.lock"), "{open}");

        let mut orphan = Command::new("sleep").arg("60").spawn().expect("sleep");
        let lock = File::open(cache.join("components/.etcd.lock")).expect("the lock");
        assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        drop(staging);
        lock.try_lock().expect("it was given back");
        drop(lock);
        orphan.kill().and_then(|()| orphan.wait()).expect("end it");
        fs::remove_dir_all(cache).expect("remove the folder");
    }
}
