//! Where the parser's bytes come from: packet memory in the kernel, a slice on the host.

/// A frame's readable bytes.
pub trait Bytes {
    /// The `N` bytes at `offset`, if they are all there.
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;
}

/// A frame in host memory.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a>(pub &'a [u8]);

impl Bytes for Captured<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.0.get(offset..)?.first_chunk()
    }
}
