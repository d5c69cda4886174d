//! What is on this machine as far as the set-up cares. It looks at files and at dpkg; it never
//! changes anything and never uses the network.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::plan::{LINKER_PACKAGES, Way};
use crate::root;
use crate::toolchain::{self, Toolchain};

/// The workspace needs Rust 1.95; an older compiler of the distribution is replaced.
const MINIMUM_MINOR: u32 = 95;

/// rustup's nightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nightly {
    /// There is none.
    Absent,
    /// It cannot build `core`: counts as absent.
    WithoutSource,
    /// It can build `core` from source.
    WithSource,
}

/// Where packages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// Debian or a relative: has apt-get and dpkg.
    Debian,
    /// Anything else, by its own name.
    Other(String),
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What the agent's build script would use.
    pub found: Option<Way>,
    /// rustup's nightly.
    pub nightly: Nightly,
    /// bpf-linker stands in the cache folder.
    pub linker: bool,
    /// The distribution's compiler can build `core`.
    pub compiler: bool,
    /// Where packages come from.
    pub system: System,
    /// Packages may be installed.
    pub root: bool,
    /// Installed ones among the packages for building bpf-linker; only asked without it.
    pub packages: BTreeSet<String>,
    /// Packages of programs that are missing, such as `nftables` for `nft`.
    pub missing_tools: Vec<&'static str>,
}

impl Machine {
    /// Looks at this machine.
    #[must_use]
    pub fn look() -> Self {
        let compiler = has_distribution_compiler();
        let found = Toolchain::find().ok().as_ref().map(Way::of);
        let found = found.filter(|way| *way == Way::Nightly || compiler);
        let linker = toolchain::linker_root().join("bin/bpf-linker").is_file();
        let packages = if linker {
            BTreeSet::new()
        } else {
            installed(&LINKER_PACKAGES)
        };
        let tools = [("ip", "iproute2"), ("nft", "nftables")];
        let missing = tools
            .into_iter()
            .filter(|(program, _)| !is_program(program));
        Self {
            found,
            nightly: nightly(),
            linker,
            compiler,
            system: system(),
            root: root::is_root(),
            packages,
            missing_tools: missing.map(|(_, package)| package).collect(),
        }
    }

    /// A package is installed.
    #[must_use]
    pub fn has_package(&self, name: &str) -> bool {
        self.packages.contains(name)
    }
}

/// A C++ compiler is where builds look for it.
#[must_use]
pub fn has_cxx() -> bool {
    env::var_os("CXX").is_some() || is_program("c++")
}

fn nightly() -> Nightly {
    let home = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".rustup")));
    let Some(entries) = home.and_then(|home| home.join("toolchains").read_dir().ok()) else {
        return Nightly::Absent;
    };
    let mut seen = Nightly::Absent;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("nightly-") {
            if entry
                .path()
                .join("lib/rustlib/src/rust/library/core")
                .is_dir()
            {
                return Nightly::WithSource;
            }
            seen = Nightly::WithoutSource;
        }
    }
    seen
}

fn has_distribution_compiler() -> bool {
    let ask = |arguments: &[&str]| {
        let output = Command::new("/usr/bin/rustc")
            .args(arguments)
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let (Some(version), Some(sysroot)) = (ask(&["--version"]), ask(&["--print", "sysroot"])) else {
        return false;
    };
    minor(&version) >= Some(MINIMUM_MINOR)
        && Path::new("/usr/bin/cargo").is_file()
        && Path::new(&sysroot)
            .join("lib/rustlib/src/rust/library/core")
            .is_dir()
}

/// The 96 of `rustc 1.96.0 (…)`.
fn minor(version: &str) -> Option<u32> {
    version
        .strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn system() -> System {
    if is_program("apt-get") && is_program("dpkg-query") {
        return System::Debian;
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    System::Other(pretty_name(&release).unwrap_or("this system").to_owned())
}

fn pretty_name(os_release: &str) -> Option<&str> {
    let line = os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches('"'))
}

fn installed(packages: &[&str]) -> BTreeSet<String> {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output();
    query
        .map(|output| parse_installed(&String::from_utf8_lossy(&output.stdout)))
        .unwrap_or_default()
}

fn parse_installed(answer: &str) -> BTreeSet<String> {
    let names = answer
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"));
    names.map(str::to_owned).collect()
}

/// On the path, or in the administrator's folders that an ordinary user's path lacks.
fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let administrator = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(administrator)
        .any(|dir| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_that_dpkg_calls_installed_count() {
        let answer =
            "llvm-22-dev installed\nlibpolly-22-dev not-installed\nzlib1g-dev config-files\n";
        assert_eq!(
            parse_installed(answer),
            BTreeSet::from(["llvm-22-dev".to_owned()])
        );
    }

    #[test]
    fn a_compiler_is_as_old_as_it_says() {
        assert_eq!(
            minor("rustc 1.96.0 (ac68faa20 2026-06-01) (built from a tarball)"),
            Some(96)
        );
        assert!(minor("rustc 1.63.0") < Some(MINIMUM_MINOR));
        assert_eq!(minor(""), None);
    }

    #[test]
    fn a_system_is_named_as_it_names_itself() {
        let release = "NAME=Fedora\nPRETTY_NAME=\"Fedora Linux 44\"\n";
        assert_eq!(pretty_name(release), Some("Fedora Linux 44"));
        assert_eq!(pretty_name("NAME=x\n"), None);
    }
}
