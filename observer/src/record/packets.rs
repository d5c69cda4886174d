//! The captures of a bundle: which files they are, and what their names say.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::BundleError;
use super::capture::Heading;
use super::error::Cause;

/// One capture of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketFile {
    /// Where it is.
    pub path: PathBuf,
    /// The interface that its name stands for, should the frames themselves not say.
    pub interface: String,
    /// The direction that its name stands for.
    pub heading: Option<Heading>,
}

/// The captures in `folder`, in order of name. What is no regular file, or bears another name, is
/// refused: it may lead out of the bundle, or hold what would be missed.
pub(super) fn list(folder: &Path) -> Result<Vec<PacketFile>, BundleError> {
    let failed = |error: io::Error| {
        let cause = if error.kind() == ErrorKind::NotFound {
            Cause::Content("not there; it is the folder of the captures".to_owned())
        } else {
            Cause::Io(error)
        };
        cause.of(folder)
    };
    let is_link = fs::symlink_metadata(folder).map_err(failed)?.is_symlink();
    if is_link {
        let cause = "a symbolic link; a bundle holds files and folders alone".to_owned();
        return Err(Cause::Content(cause).of(folder));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let refuse = |why: &str| Err(Cause::Content(why.to_owned()).of(&path));
        if !entry.file_type().map_err(failed)?.is_file() {
            return refuse("no regular file; `packets` holds captures alone");
        }
        let name = entry.file_name();
        let Some((interface, heading)) = name.to_str().and_then(meaning) else {
            return refuse("not named as a capture: <interface>[.in|.out].pcap or .pcapng");
        };
        let interface = interface.to_owned();
        files.push(PacketFile {
            path,
            interface,
            heading,
        });
    }
    if files.is_empty() {
        let cause = Cause::Content("no capture in it: put <interface>.pcap there".to_owned());
        return Err(cause.of(folder));
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Interface and direction of a capture's name.
fn meaning(name: &str) -> Option<(&str, Option<Heading>)> {
    let stem = name
        .strip_suffix(".pcap")
        .or_else(|| name.strip_suffix(".pcapng"))?;
    let (stem, heading) = if let Some(stem) = stem.strip_suffix(".in") {
        (stem, Some(Heading::In))
    } else if let Some(stem) = stem.strip_suffix(".out") {
        (stem, Some(Heading::Out))
    } else {
        (stem, None)
    };
    (!stem.is_empty()).then_some((stem, heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_interface_and_direction() {
        assert_eq!(meaning("cni0.pcap"), Some(("cni0", None)));
        assert_eq!(
            meaning("flannel.1.in.pcap"),
            Some(("flannel.1", Some(Heading::In)))
        );
        assert_eq!(
            meaning("eth0.out.pcapng"),
            Some(("eth0", Some(Heading::Out)))
        );
        for other in ["cni0.pcap.gz", ".pcap", "notes.txt", ".in.pcap"] {
            assert_eq!(meaning(other), None, "{other}");
        }
    }
}
