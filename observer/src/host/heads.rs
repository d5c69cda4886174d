//! Heads of datagrams out of a captured buffer.

use observer_ebpf::parse::GLANCE;
use observer_ebpf::step::Heads;

/// A captured buffer, and room for one head.
pub(super) struct Slice<'a> {
    bytes: &'a [u8],
    head: [u8; GLANCE],
}

impl<'a> Slice<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            head: [0; GLANCE],
        }
    }
}

impl Heads for Slice<'_> {
    fn head(&mut self, offset: u32, length: u32) -> Option<&[u8; GLANCE]> {
        let (offset, length) = (offset as usize, length as usize);
        let bytes = self.bytes.get(offset..)?.get(..length)?;
        self.head.get_mut(..length)?.copy_from_slice(bytes);
        Some(&self.head)
    }
}
