//! An initramfs is a cpio archive of the "newc" format (kernel:
//! `Documentation/driver-api/early-userspace/buffer-format.rst`). It only lays out bytes.

/// Archive under construction.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// Kind and rights of an entry.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

impl Archive {
    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, &[]);
    }

    pub(super) fn file(&mut self, path: &str, bytes: &[u8]) {
        self.entry(path, PROGRAM, bytes);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_at_multiples_of_four_with_their_lengths() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.file("bin/a", b"12345");
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
}
