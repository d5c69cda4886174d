//! Finds a compiler that can build the kernel programs. It installs nothing: `cargo xtask setup`
//! does. Included by the agent's build script and by xtask, so that both mean the same by "ready".

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Version of bpf-linker that the project is built with.
pub const BPF_LINKER_VERSION: &str = "0.13.0";

/// The cargo and rustc that build for `bpfel-unknown-none`, and the linker they call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// Way A: rustup's nightly with `rust-src`.
    Nightly {
        /// rustup's cargo proxy, called with `+nightly`.
        cargo: PathBuf,
        /// Path of bpf-linker.
        linker: PathBuf,
    },
    /// Way B: the distribution's own compiler with its library source.
    Distribution {
        /// The distribution's cargo.
        cargo: PathBuf,
        /// The distribution's rustc.
        rustc: PathBuf,
        /// Path of bpf-linker.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Looks for way A, then way B.
    ///
    /// # Errors
    /// One line that says what is missing and how to get it.
    pub fn find() -> Result<Self, String> {
        let Some(linker) = linker() else {
            return Err(missing("bpf-linker"));
        };
        if let Some(cargo) = nightly_cargo() {
            return Ok(Self::Nightly { cargo, linker });
        }
        match distribution() {
            Some((cargo, rustc)) => Ok(Self::Distribution {
                cargo,
                rustc,
                linker,
            }),
            None => Err(missing("a Rust compiler with library source (rust-src)")),
        }
    }

    /// A `cargo` command of this tool chain, free of what an outer cargo put into the environment.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Nightly { cargo, .. } => {
                let mut command = Command::new(cargo);
                command.arg("+nightly");
                command
            }
            Self::Distribution { cargo, rustc, .. } => {
                let mut command = Command::new(cargo);
                command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
                command
            }
        };
        if matches!(self, Self::Nightly { .. }) {
            command.env_remove("RUSTC");
        }
        for name in [
            "CARGO",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        command
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTUP_TOOLCHAIN");
        command
    }

    /// Path of bpf-linker.
    #[must_use]
    pub fn linker(&self) -> &Path {
        match self {
            Self::Nightly { linker, .. } | Self::Distribution { linker, .. } => linker,
        }
    }
}

/// Where tools and outside components are kept, keyed by version: `$NETPATH_CACHE`, else
/// `$XDG_CACHE_HOME/netpath`, else `$HOME/.cache/netpath`.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let from = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    from("NETPATH_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("netpath")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/netpath")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/netpath"))
}

/// Folder that `cargo install --root` fills with bpf-linker.
#[must_use]
pub fn linker_root() -> PathBuf {
    cache_dir().join(format!("tools/bpf-linker-{BPF_LINKER_VERSION}"))
}

fn missing(what: &str) -> String {
    format!("build the kernel programs: {what} is missing; type `cargo xtask setup`")
}

fn linker() -> Option<PathBuf> {
    let installed = linker_root().join("bin/bpf-linker");
    installed.is_file().then_some(installed)
}

/// A nightly without `rust-src` counts as absent: `core` is built from source.
fn nightly_cargo() -> Option<PathBuf> {
    let rustup_home = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".rustup")))?;
    let has_source = std::fs::read_dir(rustup_home.join("toolchains"))
        .ok()?
        .flatten()
        .any(|entry| {
            entry.file_name().to_string_lossy().starts_with("nightly-")
                && entry
                    .path()
                    .join("lib/rustlib/src/rust/library/core")
                    .is_dir()
        });
    let cargo = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))?
        .join("bin/cargo");
    (has_source && cargo.is_file()).then_some(cargo)
}

fn distribution() -> Option<(PathBuf, PathBuf)> {
    let (cargo, rustc) = (
        PathBuf::from("/usr/bin/cargo"),
        PathBuf::from("/usr/bin/rustc"),
    );
    if !cargo.is_file() || !rustc.is_file() {
        return None;
    }
    let sysroot = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).ok()?.trim());
    let source = sysroot.join("lib/rustlib/src/rust/library/core");
    source.is_dir().then_some((cargo, rustc))
}
