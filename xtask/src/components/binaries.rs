//! Where the finished programs are, for those who start them. It builds nothing.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::key;
use super::table::{CNI, Component, ETCD, FLANNEL, HEADSCALE, TAILSCALE};

/// Absolute paths of the programs of the real lab. Plugins stand in one folder, so that its parent
/// is a `CNI_PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Command line of the node agent.
    pub tailscale: PathBuf,
    /// Node agent.
    pub tailscaled: PathBuf,
    /// Relay.
    pub derper: PathBuf,
    /// Control server.
    pub headscale: PathBuf,
    /// Pod network of a node.
    pub flannel: PathBuf,
    /// Plugin that gives a pod its device.
    pub bridge: PathBuf,
    /// Plugin that gives a pod its address.
    pub host_local: PathBuf,
    /// Store of flannel's leases.
    pub etcd: PathBuf,
}

/// Programs that are not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Each with its component, such as `bridge (cni v1.9.1)`.
    pub programs: Vec<String>,
}

impl Missing {
    /// The reason of a skipped test; the same whichever programs are missing.
    pub const REASON: &str =
        "programs of the real lab are not built; build them with `cargo xtask lab build`";
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "find the programs of the real lab: not built are {}; build them with \
             `cargo xtask lab build`",
            self.programs.join(", ")
        )
    }
}

impl std::error::Error for Missing {}

impl Binaries {
    /// The programs of this checkout's versions, in the cache.
    ///
    /// # Errors
    /// Which are missing.
    pub fn find() -> Result<Self, Missing> {
        Self::below(&key::cache())
    }

    /// The programs of this checkout's versions in a cache folder.
    ///
    /// # Errors
    /// Which are missing.
    pub fn below(cache: &Path) -> Result<Self, Missing> {
        let mut search = Search {
            cache,
            missing: Vec::new(),
        };
        let binaries = Self {
            tailscale: search.path(&TAILSCALE, "tailscale"),
            tailscaled: search.path(&TAILSCALE, "tailscaled"),
            derper: search.path(&TAILSCALE, "derper"),
            headscale: search.path(&HEADSCALE, "headscale"),
            flannel: search.path(&FLANNEL, "flannel"),
            bridge: search.path(&CNI, "bridge"),
            host_local: search.path(&CNI, "host-local"),
            etcd: search.path(&ETCD, "etcd"),
        };
        if search.missing.is_empty() {
            Ok(binaries)
        } else {
            Err(Missing {
                programs: search.missing,
            })
        }
    }
}

struct Search<'a> {
    cache: &'a Path,
    missing: Vec<String>,
}

impl Search<'_> {
    /// Where the program is or would be; one that is not there is noted.
    fn path(&mut self, component: &Component, file: &str) -> PathBuf {
        let path = key::program(component, file, self.cache);
        if !is_finished(&path) {
            let Component { name, version, .. } = component;
            self.missing.push(format!("{file} ({name} {version})"));
        }
        path
    }
}

/// Something that can be started is there.
pub(super) fn is_finished(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| {
        file.is_file() && file.len() > 0 && file.permissions().mode() & 0o111 != 0
    })
}

#[cfg(test)]
mod tests;
