//! Where the parser's bytes come from: packet memory in the kernel, a slice on the host.

/// A frame's readable bytes.
pub trait Bytes {
    /// True if headers of the usual length alone are read: every offset is then a constant. What
    /// such a parse refuses may be a packet all the same; its reason means nothing.
    const IS_WINDOW: bool = false;

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

/// The first `N` bytes of a frame, for the usual headers: one bound for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a, const N: usize>(pub &'a [u8; N]);

impl<const N: usize> Bytes for Window<'_, N> {
    const IS_WINDOW: bool = true;

    #[inline(always)]
    fn at<const M: usize>(&self, offset: usize) -> Option<&[u8; M]> {
        self.0.get(offset..)?.first_chunk()
    }
}
