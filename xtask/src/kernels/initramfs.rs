//! What the guest has: itself as first process, the programs to run with the libraries that they
//! need, and modules in the order they load.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::Archive;
use super::package::output;
use super::{Kernel, KernelsError};

/// What devices and classifiers need, each after what it needs itself.
const MODULES: [&str; 10] = [
    "llc",
    "stp",
    "bridge",
    "udp_tunnel",
    "ip6_udp_tunnel",
    "vxlan",
    "veth",
    "tun",
    "sch_ingress",
    "cls_bpf",
];

/// Folder of the modules; files load in the order of their names.
pub(super) const MODULES_FOLDER: &str = "/modules";

/// This program, which is the guest's first process too, also where a build has replaced its file.
const OWN: &str = "/proc/self/exe";

/// Programs of the guest, by their names in `/bin` there.
pub(crate) type Programs = Vec<(&'static str, PathBuf)>;

/// Lays out the archive for a kernel; `room` is for files on the way.
pub(super) fn build(
    kernel: &Kernel,
    programs: &[(&str, PathBuf)],
    room: &Path,
) -> Result<Vec<u8>, KernelsError> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc", "sys", "tmp", "run", "modules"] {
        archive.folder(folder);
    }
    let init = room.join("init");
    fs::copy(OWN, &init).map_err(KernelsError::io(format!("copy {OWN}")))?;
    archive.file("init", &stripped(&init, room)?);
    let mut libraries = libraries(&init)?;
    for (name, program) in programs {
        archive.file(&format!("bin/{name}"), &stripped(program, room)?);
        libraries.extend(self::libraries(program)?);
    }
    let mut folders = BTreeSet::new();
    for library in &libraries {
        let above: Vec<_> = library.ancestors().skip(1).collect();
        for folder in above
            .into_iter()
            .rev()
            .filter(|path| path.parent().is_some())
        {
            if folders.insert(folder.to_owned()) {
                archive.folder(&inside(folder));
            }
        }
        archive.file(&inside(library), &read(library)?);
    }
    for (order, name) in MODULES.iter().enumerate() {
        let module = module(&kernel.module(name)?)?;
        archive.file(&format!("modules/{order:02}-{name}.ko"), &module);
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

fn module(path: &Path) -> Result<Vec<u8>, KernelsError> {
    if path.extension().is_none_or(|end| end != "xz") {
        return read(path);
    }
    let mut unpack = Command::new("xz");
    let done = unpack.args(["--decompress", "--stdout"]).arg(path).output();
    let action = format!("unpack {} with xz", path.display());
    let done = done.map_err(KernelsError::io(action.as_str()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(KernelsError::io(action)(std::io::Error::other(said)));
    }
    Ok(done.stdout)
}

fn read(path: &Path) -> Result<Vec<u8>, KernelsError> {
    fs::read(path).map_err(KernelsError::io(format!("read {}", path.display())))
}

/// Path in the archive: without the first slash.
fn inside(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}
