//! What has to be done on a machine, decided from what was seen there. Pure: it runs nothing and
//! looks at nothing.

use super::machine::{Machine, Nightly, System};
use crate::toolchain::{self, Toolchain};

/// The distribution's compiler, its cargo and the source of its library.
pub const COMPILER_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// What building bpf-linker against the compiler's own LLVM needs.
pub const LINKER_PACKAGES: [&str; 4] = [
    "llvm-22-dev",
    "libpolly-22-dev",
    "libzstd-dev",
    "zlib1g-dev",
];
/// What the lab and the oracles call.
pub const TOOL_PACKAGES: [&str; 2] = ["iproute2", "nftables"];
/// Where Debian's LLVM packages put the library that bpf-linker is built against.
pub const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// Which compiler builds the kernel programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// rustup's nightly with `rust-src`.
    Nightly,
    /// The distribution's compiler with its library source.
    Distribution,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Refresh the package lists: `rustc-web` of a stale list is years older.
    UpdatePackageLists,
    /// Install Debian packages.
    InstallPackages(Vec<&'static str>),
    /// Build bpf-linker from its crate into the cache folder.
    InstallLinker,
}

/// What to do on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: everything is there.
    Ready(Way),
    /// These steps, in order.
    Steps {
        /// Which way, and why not the other one.
        why: String,
        /// What to do.
        steps: Vec<Step>,
    },
}

/// Why a machine cannot be made ready; every message ends with the commands to type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotServe {
    /// Packages are missing and there is no apt to ask.
    #[error(
        "set up {system}: only Debian's packages are known here; \
         install {missing} your way, then type:\n{commands}"
    )]
    NotDebian {
        /// What the machine calls itself.
        system: String,
        /// The packages under Debian's names.
        missing: String,
        /// What to type instead.
        commands: String,
    },
    /// Packages are missing and only root may install them.
    #[error("install {missing}: needs root; type:\n{commands}")]
    NotRoot {
        /// The packages.
        missing: String,
        /// What to type.
        commands: String,
    },
    /// The package source does not know a package, even with fresh lists.
    #[error(
        "install {missing}: this machine's package sources do not have all of them \
         (Debian 12 with its security suite does); without them, type:\n{commands}"
    )]
    UnknownPackage {
        /// The packages.
        missing: String,
        /// What to type instead.
        commands: String,
    },
    /// Installing would remove what the machine's owner put there.
    #[error(
        "install {missing}: apt would have to remove other packages for it, which the set-up \
         never does; remove them yourself and repeat, or type:\n{commands}"
    )]
    Conflict {
        /// The packages.
        missing: String,
        /// What to type instead.
        commands: String,
    },
    /// The network, or the package source behind it, did not answer.
    #[error("{attempted}: no answer from the network ({cause}); with a network, type:\n{commands}")]
    NoNetwork {
        /// What was attempted.
        attempted: String,
        /// The line that said so.
        cause: String,
        /// What to type then.
        commands: String,
    },
}

impl Way {
    /// The way that a found tool chain is.
    #[must_use]
    pub fn of(toolchain: &Toolchain) -> Self {
        match toolchain {
            Toolchain::Nightly { .. } => Self::Nightly,
            Toolchain::Distribution { .. } => Self::Distribution,
        }
    }

    /// Which compiler is used, and why.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Nightly => "way A, rustup's nightly: it has rust-src, and bpf-linker is there",
            Self::Distribution => {
                "way B, the distribution's compiler: rustup has no nightly with rust-src"
            }
        }
    }
}

/// Decides what to do.
///
/// # Errors
/// When this machine cannot be served.
pub fn plan(machine: &Machine) -> Result<Plan, CannotServe> {
    let mut packages = missing_packages(machine);
    if packages.is_empty() && machine.linker && machine.found.is_none() {
        // Everything seems to be there and still is not usable: asking for the compiler again
        // mends an interrupted installation.
        packages.extend(COMPILER_PACKAGES);
    }
    let mut steps = Vec::new();
    if !packages.is_empty() {
        steps.extend(install(machine, packages, &nightly_commands())?);
    }
    if !machine.linker {
        steps.push(Step::InstallLinker);
    }
    match machine.found {
        Some(way) if steps.is_empty() => Ok(Plan::Ready(way)),
        _ => Ok(Plan::Steps {
            why: why(machine).to_owned(),
            steps,
        }),
    }
}

/// Installs packages where that can be done; `otherwise` are the commands to type where there is no
/// apt.
///
/// # Errors
/// When this machine cannot be served.
pub fn install(
    machine: &Machine,
    packages: Vec<&'static str>,
    otherwise: &str,
) -> Result<[Step; 2], CannotServe> {
    let missing = packages.join(" ");
    match &machine.system {
        System::Other(system) => Err(CannotServe::NotDebian {
            system: system.clone(),
            missing,
            commands: otherwise.to_owned(),
        }),
        System::Debian if !machine.root => Err(CannotServe::NotRoot {
            commands: apt_commands(&missing),
            missing,
        }),
        System::Debian => Ok([Step::UpdatePackageLists, Step::InstallPackages(packages)]),
    }
}

fn missing_packages(machine: &Machine) -> Vec<&'static str> {
    let mut packages = Vec::new();
    if !machine.compiler && machine.nightly != Nightly::WithSource {
        packages.extend(COMPILER_PACKAGES);
    }
    if !machine.linker {
        packages.extend(
            LINKER_PACKAGES
                .iter()
                .filter(|name| !machine.has_package(name)),
        );
    }
    packages.extend(machine.missing_tools.iter().copied());
    packages
}

fn why(machine: &Machine) -> &'static str {
    match machine.nightly {
        Nightly::WithSource => "way A, rustup's nightly with rust-src",
        Nightly::WithoutSource => {
            "way B, the distribution's compiler: rustup's nightly has no rust-src"
        }
        Nightly::Absent => "way B, the distribution's compiler: rustup has no nightly",
    }
}

/// What installs packages by hand, where apt is there.
#[must_use]
pub fn apt_commands(packages: &str) -> String {
    format!(
        "  sudo apt-get update && sudo apt-get install -y --no-install-recommends {packages}\n  \
         cargo xtask setup"
    )
}

/// What makes way A complete by hand, on any system.
#[must_use]
pub fn nightly_commands() -> String {
    format!(
        "  rustup toolchain install nightly --component rust-src\n  \
         cargo install bpf-linker --version {} --locked --root {}\n  cargo xtask setup",
        toolchain::BPF_LINKER_VERSION,
        toolchain::linker_root().display(),
    )
}

#[cfg(test)]
mod tests;
