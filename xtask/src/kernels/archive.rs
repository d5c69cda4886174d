//! An initramfs is a cpio archive of the "newc" format (kernel:
//! `Documentation/driver-api/early-userspace/buffer-format.rst`). It only lays out bytes.

use std::collections::BTreeSet;
use std::path::Path;

/// Archive under construction.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

/// Kind and rights of an entry.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

impl Archive {
    pub(super) fn folder(&mut self, path: &Path) {
        self.with_parents(path);
    }

    /// A file that may be run; folders above it come by themselves.
    pub(super) fn file(&mut self, path: &Path, bytes: &[u8]) {
        self.above(path);
        self.entry(&inside(path), PROGRAM, bytes);
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &Path, target: &str) {
        self.above(path);
        self.entry(&inside(path), LINK, target.as_bytes());
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn above(&mut self, path: &Path) {
        if let Some(folder) = path.parent() {
            self.with_parents(folder);
        }
    }

    fn with_parents(&mut self, folder: &Path) {
        let name = inside(folder);
        if name.is_empty() || self.folders.contains(&name) {
            return;
        }
        self.above(folder);
        self.entry(&name, FOLDER, &[]);
        self.folders.insert(name);
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (length, name) = (size(content.len()), size(path.len() + 1));
        // Inode, mode, user, group, links, time, length, two devices of two words, name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, name, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Path in the archive: without the first slash.
fn inside(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_at_multiples_of_four_with_their_lengths() {
        let mut archive = Archive::default();
        archive.folder(Path::new("bin"));
        archive.file(Path::new("/bin/a"), b"12345");
        let bytes = archive.finish();
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.len() % 4, 0);
        // 110 bytes of header and "bin" with its end are 114, so the next stands at 116.
        let second = &text[116..];
        assert!(second.starts_with("07070100000002000081ed"), "{second}");
        assert_eq!(&second[54..62], "00000005");
        assert_eq!(&second[94..102], "00000006");
        assert!(second[110..].starts_with("bin/a\x0012345\x00\x00\x00070701"));
    }

    #[test]
    fn folders_above_an_entry_come_before_it_and_once() {
        let mut archive = Archive::default();
        archive.link(Path::new("/a/b/c"), "/init");
        archive.file(Path::new("/a/b/d"), b"");
        let text = String::from_utf8(archive.finish()).expect("text");
        let names: Vec<_> = text.split("070701").skip(1).collect();
        let names = names
            .iter()
            .map(|entry| entry[104..].trim_end_matches('\0'));
        let names: Vec<_> = names.map(|entry| entry.replace('\0', " ")).collect();
        let joined = names.join("|");
        assert!(joined.starts_with("a|a/b|a/b/c"), "{joined}");
        assert!(joined.ends_with("/init|a/b/d|TRAILER!!!"), "{joined}");
    }
}
