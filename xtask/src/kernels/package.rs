//! A kernel of the distribution's archive: found by name, downloaded, and unpacked into the cache,
//! where the next run finds it.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use super::KernelsError;
use crate::command::{self, CommandError};
use crate::{report, toolchain};

/// The series that are booted, each with the way that the agent is to attach its programs there.
pub(crate) const SERIES: [(&str, &str); 2] = [("6.1", "clsact"), ("6.12", "tcx")];
/// The small flavour: it has all we need, and boots in seconds.
const FLAVOUR: &str = "-cloud-amd64";
const PREFIX: &str = "linux-image-";

/// An unpacked kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What `uname -r` is to say there.
    pub(crate) release: String,
    folder: PathBuf,
}

impl Kernel {
    /// The newest of a series that apt knows, downloaded and unpacked if it is not in the cache.
    pub(crate) fn of(series: &'static str) -> Result<Self, KernelsError> {
        if ARCH != "x86_64" {
            return Err(KernelsError::Architecture(ARCH));
        }
        let known = output(Command::new("apt-cache").args(["pkgnames", PREFIX]))?;
        let release = newest(&known, series).ok_or(KernelsError::NoPackage { series })?;
        let kernels = toolchain::cache_dir().join("kernels");
        let folder = kernels.join(&release);
        let kernel = Self { release, folder };
        if !kernel.folder.exists() {
            kernel.unpack(&kernels)?;
        }
        Ok(kernel)
    }

    /// The compressed kernel.
    pub(super) fn image(&self) -> PathBuf {
        self.folder.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// A module's file, plain or compressed.
    pub(super) fn module(&self, name: &str) -> Result<PathBuf, KernelsError> {
        let modules = self.folder.join("lib/modules").join(&self.release);
        let names = [format!("{name}.ko"), format!("{name}.ko.xz")];
        search(&modules, &names).ok_or_else(|| KernelsError::NoFile {
            what: format!("module {name}"),
            package: format!("{PREFIX}{}", self.release),
            folder: self.folder.display().to_string(),
        })
    }

    /// True if what other kernels have as a module is a part of this one.
    pub(super) fn has_built_in(&self, name: &str) -> Result<bool, KernelsError> {
        let modules = self.folder.join("lib/modules").join(&self.release);
        let list = modules.join("modules.builtin");
        let action = format!("read {}", list.display());
        let list = fs::read_to_string(list).map_err(KernelsError::io(action))?;
        let file = format!("/{name}.ko");
        Ok(list.lines().any(|line| line.ends_with(&file)))
    }

    fn unpack(&self, kernels: &Path) -> Result<(), KernelsError> {
        let room = kernels.join(format!("unpacking-{}", process::id()));
        let content = room.join("content");
        let made = fs::create_dir_all(&content);
        made.map_err(KernelsError::io(format!("make {}", content.display())))?;
        let package = format!("{PREFIX}{}", self.release);
        let mut download = Command::new("apt-get");
        let download = download.args(["download", &package]).current_dir(&room);
        let unpacked = command::run(download).and_then(|()| {
            let file = search_end(&room, ".deb").unwrap_or_default();
            command::run(Command::new("dpkg-deb").arg("-x").arg(file).arg(&content))
        });
        let result = unpacked.map_err(KernelsError::from).and_then(|()| {
            let moved = fs::rename(&content, &self.folder);
            // Another run may have been faster.
            if self.image().exists() {
                return Ok(());
            }
            moved.map_err(KernelsError::io(format!("fill {}", self.folder.display())))
        });
        if let Err(cause) = fs::remove_dir_all(&room) {
            report::progress(format_args!("remove {}: {cause}", room.display()));
        }
        result
    }
}

/// The newest release of a series among package names.
fn newest(names: &str, series: &str) -> Option<String> {
    let releases = names.lines().filter_map(|name| {
        let release = name.trim().strip_prefix(PREFIX)?;
        let rest = release.strip_suffix(FLAVOUR)?.strip_prefix(series)?;
        rest.starts_with('.').then_some(release)
    });
    releases
        .max_by_key(|release| numbers(release))
        .map(str::to_owned)
}

fn numbers(release: &str) -> Vec<u32> {
    let parts = release.split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// A command's standard output.
pub(super) fn output(command: &mut Command) -> Result<String, CommandError> {
    report::command(command);
    let typed = report::typed(command);
    let done = command.output().map_err(|source| CommandError::Start {
        command: typed.clone(),
        source,
    })?;
    if !done.status.success() {
        let (command, status) = (typed, done.status);
        return Err(CommandError::Failed { command, status });
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn search(folder: &Path, names: &[String]) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut paths = entries.map(|entry| entry.path());
    paths.find_map(|path| {
        if path.is_dir() {
            return search(&path, names);
        }
        let name = path.file_name()?.to_str()?;
        names.iter().any(|wanted| wanted == name).then_some(path)
    })
}

fn search_end(folder: &Path, end: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut paths = entries.map(|entry| entry.path());
    paths.find(|path| path.to_string_lossy().ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_series_is_found_and_no_other_flavour() {
        let names = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-56-cloud-amd64\n\
                     linux-image-6.1.0-57-cloud-amd64-dbg\nlinux-image-6.1.0-58-amd64\n\
                     linux-image-6.12.99+deb12-cloud-amd64\nlinux-image-6.12.117+deb12-cloud-amd64\n";
        let found = |series| newest(names, series);
        assert_eq!(found("6.1").as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(found("6.12").as_deref(), Some("6.12.117+deb12-cloud-amd64"));
        assert_eq!(found("6.18"), None);
    }
}
