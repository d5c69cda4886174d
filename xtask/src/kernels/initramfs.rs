//! What the guest has: itself as first process, the programs to run with the libraries that they
//! need, and modules in the order they load.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::Archive;
use super::package::output;
use super::{Kernel, KernelsError, modules};

/// Folder of the modules; files load in the order of their names.
pub(super) const MODULES_FOLDER: &str = "/modules";
/// Where the guest's programs are.
pub(super) const PROGRAMS_FOLDER: &str = "/bin";
/// The guest's first process.
const FIRST: &str = "/init";

/// This program, which is the guest's first process too, also where a build has replaced its file.
const OWN: &str = "/proc/self/exe";

/// What a guest runs.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    /// Programs by their names there.
    pub(crate) named: Vec<(&'static str, PathBuf)>,
    /// Where tests look for this program: the same path as here.
    pub(crate) own: Option<PathBuf>,
}

/// Lays out the archive for a kernel; `room` is for files on the way.
pub(super) fn build(
    kernel: &Kernel,
    programs: &Programs,
    room: &Path,
) -> Result<Vec<u8>, KernelsError> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "tmp", "run"] {
        archive.folder(Path::new(folder));
    }
    let init = room.join("init");
    fs::copy(OWN, &init).map_err(KernelsError::io(format!("copy {OWN}")))?;
    archive.file(Path::new(FIRST), &stripped(&init, room)?);
    if let Some(path) = &programs.own {
        archive.link(path, FIRST);
    }
    let mut libraries = libraries(&init)?;
    for (name, program) in &programs.named {
        let place = Path::new(PROGRAMS_FOLDER).join(name);
        archive.file(&place, &stripped(program, room)?);
        libraries.extend(self::libraries(program)?);
    }
    for library in &libraries {
        archive.file(library, &read(library)?);
    }
    for (order, (name, module)) in modules::in_order(kernel)?.into_iter().enumerate() {
        let file = format!("{order:02}-{name}.ko");
        archive.file(&Path::new(MODULES_FOLDER).join(file), &module);
    }
    Ok(archive.finish())
}

/// The program without what only a debugger reads, which is most of it.
fn stripped(program: &Path, room: &Path) -> Result<Vec<u8>, KernelsError> {
    let copy = room.join("stripped");
    let mut strip = Command::new("strip");
    output(strip.args(["--strip-debug", "-o"]).arg(&copy).arg(program))?;
    read(&copy)
}

/// Absolute paths of a program's libraries and loader, as `ldd` prints them.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>, KernelsError> {
    let printed = output(Command::new("ldd").arg(program))?;
    let words = printed.split_whitespace();
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

fn read(path: &Path) -> Result<Vec<u8>, KernelsError> {
    fs::read(path).map_err(KernelsError::io(format!("read {}", path.display())))
}
