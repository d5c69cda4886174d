//! Finds a Go compiler that is new enough and calls it so that the user's own settings cannot change
//! what is built. It installs nothing.

mod version;

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ComponentsError;
use super::table::{Cgo, Component, Program};
pub use version::Version;

/// The oldest Go that builds every component.
pub const NEEDED: Version = Version(1, 26, 6);
/// Where the Go project's own archive is unpacked by its instructions; looked at after the path.
pub const OFFICIAL: &str = "/usr/local/go/bin";
/// How programs are built: only from what `go.sum` names, and the same from every folder.
pub const BUILD: [&str; 8] = [
    "build",
    "-mod=readonly",
    "-buildvcs=false",
    "-trimpath",
    "-p",
    "2",
    "-ldflags",
    "-s -w",
];
/// A user's value of these would change what is built, or for which machine.
const FOREIGN: [&str; 8] = [
    "GOARCH",
    "GOEXPERIMENT",
    "GOOS",
    "GOROOT",
    "GOTOOLDIR",
    "GO386",
    "GOAMD64",
    "GOARM64",
];

/// A Go compiler that is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Go {
    /// Its path.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

impl Go {
    /// The first one that is new enough, on the path or where the Go project's archive puts it.
    ///
    /// # Errors
    /// What was found instead.
    pub fn find() -> Result<Self, String> {
        let path = env::var_os("PATH").unwrap_or_default();
        let official = PathBuf::from(OFFICIAL);
        choose(programs("go", &path, &[official]).map(|path| {
            let said = Command::new(&path)
                .arg("version")
                .env("GOTOOLCHAIN", "local")
                .output()
                .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
                .unwrap_or_default();
            (path, said)
        }))
    }

    /// The command that builds a program from the module in `folder` into `out`; it says each
    /// package on standard error.
    #[must_use]
    pub fn build(&self, cgo: Cgo, program: &Program, folder: &Path, out: &Path) -> Command {
        let mut command = self.command(cgo, folder);
        command.args(BUILD).arg("-v").arg("-o").arg(out);
        command.arg(program.package);
        command
    }

    /// Says whether the C compiler that Go would call is there.
    ///
    /// # Errors
    /// When the component has C code and it is not.
    pub fn check_compiler(&self, component: &Component) -> Result<(), ComponentsError> {
        let answer = self.command(component.cgo, &env::temp_dir());
        let compiler = ask(answer, &["env", "CC"]).unwrap_or_else(|| "gcc".to_owned());
        let path = env::var_os("PATH").unwrap_or_default();
        has_compiler(component, compiler, &path)
    }

    fn command(&self, cgo: Cgo, folder: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(folder);
        for name in FOREIGN {
            command.env_remove(name);
        }
        let cgo = match cgo {
            Cgo::Off => "0",
            Cgo::On => "1",
        };
        // An empty GOFLAGS would let Go read the one in the user's settings file.
        command
            .env("CGO_ENABLED", cgo)
            .env("GOFLAGS", "-mod=readonly")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off");
        command
    }
}

/// A component with C code finds `compiler`, whose first word is a program, on the path.
fn has_compiler(
    component: &Component,
    compiler: String,
    path: &OsStr,
) -> Result<(), ComponentsError> {
    let name = compiler.split_whitespace().next().unwrap_or_default();
    if component.cgo == Cgo::Off || programs(name, path, &[]).next().is_some() {
        return Ok(());
    }
    Err(ComponentsError::NoCompiler {
        component: component.name,
        compiler,
    })
}

fn ask(mut command: Command, arguments: &[&str]) -> Option<String> {
    let output = command.args(arguments).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!said.is_empty()).then_some(said)
}

/// Files called `name` in the folders of a search path, then in other folders; a name with a slash
/// is a path by itself.
fn programs(name: &str, path: &OsStr, others: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(path)
        .chain(others.iter().cloned())
        .collect();
    let name = name.to_owned();
    folders
        .into_iter()
        .map(move |folder| folder.join(&name))
        .filter(|path| path.is_file())
}

/// The first compiler that is new enough, from paths and what each says about its version.
fn choose(candidates: impl Iterator<Item = (PathBuf, String)>) -> Result<Go, String> {
    let mut found = Vec::new();
    for (path, said) in candidates {
        match Version::parse(&said) {
            Some(version) if version >= NEEDED => return Ok(Go { path, version }),
            Some(version) => found.push(format!("{version} at {}", path.display())),
            None => found.push(format!("{} that says no version", path.display())),
        }
    }
    found.dedup();
    if found.is_empty() {
        found.push("none".to_owned());
    }
    Err(found.join(", "))
}

#[cfg(test)]
mod tests;
