//! Where the parser's bytes come from: packet memory in the kernel, a slice on the host.

use super::ip::word;
use super::{Malformed, Packet};

/// A frame's readable bytes.
pub trait Bytes {
    /// True if headers of the usual length alone are read: every offset is then a constant. What
    /// such a parse refuses may be a packet all the same; its reason means nothing.
    const IS_WINDOW: bool = false;

    /// The `N` bytes at `offset`, if they are all there.
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;

    /// As [`Self::at`] of bytes that the packet must have: those that are not there are noted as missing.
    #[inline(always)]
    fn need<const N: usize>(
        &self,
        offset: usize,
        packet: &mut Packet,
        short: Malformed,
    ) -> Result<&[u8; N], Malformed> {
        let Some(found) = self.at::<N>(offset) else {
            if !Self::IS_WINDOW {
                packet.missing = word(offset + N);
            }
            return Err(short);
        };
        Ok(found)
    }

    /// True if the frame goes on to `end`, and what can be read of it does not, here or elsewhere: no
    /// lie of the frame, but a capture's or a copy's end.
    #[inline(always)]
    fn is_cut_before(&self, _end: u32) -> bool {
        false
    }
}

/// A whole frame in host memory.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a>(pub &'a [u8]);

impl Bytes for Captured<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.0.get(offset..)?.first_chunk()
    }
}

/// The head of a frame of `length` bytes in host memory, as a capture with a snap length keeps it.
#[derive(Clone, Copy, Debug)]
pub struct CapturedHead<'a> {
    /// What was kept.
    pub bytes: &'a [u8],
    /// Length on the wire, bytes.
    pub length: u32,
}

impl Bytes for CapturedHead<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.bytes.get(offset..)?.first_chunk()
    }

    #[inline(always)]
    fn is_cut_before(&self, end: u32) -> bool {
        end as usize > self.bytes.len() && end <= self.length
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
