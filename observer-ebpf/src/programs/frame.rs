//! The bytes of a socket buffer: directly while the headers lie in its linear part, else a copy of
//! the head, also of a frame inside; of merged buffers a copy of each datagram's; of a frame before the
//! stack all bytes. The only file that dereferences packet memory.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_skb_load_bytes};
use aya_ebpf::programs::{TcContext, XdpContext};
use observer_ebpf::abi::counter::ROOM;
use observer_ebpf::parse::{Behind, Bytes, GLANCE};
use observer_ebpf::step::Heads;

use crate::atomic::any;

/// The longest usual header stack: Ethernet with two tags, IPv6, fragment, UDP, VXLAN, Ethernet, IPv6,
/// TCP with all options (232 bytes), and 8 bytes of payload for a tunnel's signature.
const HEAD: usize = 240;

/// `length` less 1, which is far too large if it was 0. Before Linux 6.8 the verifier learns nothing
/// from a comparison with 0, and the compiler leaves out those that it knows the answer of: a bound of
/// this and 1 more is what both take for at least 1.
#[inline(always)]
fn before(length: u64) -> usize {
    any(length.wrapping_sub(1)) as usize
}

/// The linear part of a buffer.
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    #[inline(always)]
    pub(crate) fn of(ctx: &TcContext) -> Self {
        Self {
            start: ctx.data(),
            end: ctx.data_end(),
        }
    }

    /// A frame before the stack, all of it.
    #[inline(always)]
    pub(crate) fn of_frame(ctx: &XdpContext) -> Self {
        Self {
            start: ctx.data(),
            end: ctx.data_end(),
        }
    }

    /// Its length, bytes.
    #[inline(always)]
    pub(crate) fn length(&self) -> u32 {
        (self.end - self.start) as u32
    }

    /// True if a buffer of `length` bytes has more than the linear part.
    #[inline(always)]
    pub(crate) fn is_part_of(&self, length: u32) -> bool {
        self.end - self.start < length as usize
    }
}

impl Bytes for Linear {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        let first = self.start + offset;
        if first + N > self.end {
            return None;
        }
        // SAFETY: the N bytes lie inside the packet, as just tested against its end; they live as
        // long as the program runs, and no helper that could move them is called.
        Some(unsafe { &*(first as *const [u8; N]) })
    }
}

/// True if a frame of `length` bytes has bytes up to `end`, and a copied head has not.
#[inline(always)]
pub(crate) const fn is_beyond_head(end: u32, length: u32) -> bool {
    end > HEAD as u32 && end <= length
}

/// A copied head.
pub(crate) struct Head<'a> {
    bytes: &'a [u8; ROOM],
    length: usize,
}

impl<'a> Head<'a> {
    /// Copies `length` bytes (at most [`HEAD`]) from `offset` on into `scratch`.
    #[inline(always)]
    pub(crate) fn copy(
        ctx: &TcContext,
        scratch: &'a mut [u8; ROOM],
        offset: u32,
        length: usize,
    ) -> Option<Self> {
        let before = before(length as u64);
        let length = if before < HEAD { before + 1 } else { HEAD };
        // SAFETY: `scratch` has more than HEAD bytes and `length` is between 1 and HEAD. An empty
        // buffer has no HEAD bytes: the helper refuses.
        let failed = unsafe {
            bpf_skb_load_bytes(
                ctx.skb.skb.cast(),
                offset,
                scratch.as_mut_ptr().cast(),
                length as u32,
            )
        };
        (failed == 0).then_some(Self {
            bytes: scratch,
            // Known to the compiler it would make the mask in `at` go away.
            length: any(length as u64) as usize,
        })
    }

    /// The head that was copied of a frame longer than it.
    #[inline(always)]
    pub(crate) fn copied(scratch: &'a [u8; ROOM]) -> Self {
        Self {
            bytes: scratch,
            // As in `copy`.
            length: any(HEAD as u64) as usize,
        }
    }

    /// Copies the first bytes (at most [`HEAD`]) of a buffer whose linear part has `length` bytes from
    /// the kernel's address `data` on.
    #[inline(always)]
    pub(crate) fn probe(data: u64, scratch: &'a mut [u8; ROOM], length: u32) -> Option<Self> {
        let before = before(u64::from(length));
        let length = if before < HEAD { before + 1 } else { HEAD };
        // SAFETY: `scratch` has more than HEAD bytes and `length` is between 1 and HEAD; the helper
        // reads any address, or says that it cannot.
        let failed = unsafe {
            bpf_probe_read_kernel(
                scratch.as_mut_ptr().cast(),
                length as u32,
                data as *const core::ffi::c_void,
            )
        };
        (failed == 0).then_some(Self {
            bytes: scratch,
            // As in `copy`.
            length: any(length as u64) as usize,
        })
    }
}

impl Bytes for Head<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        if offset + N > self.length {
            return None;
        }
        // SAFETY: offset + N is at most HEAD, as just tested; the mask changes nothing.
        Some(unsafe {
            &*self
                .bytes
                .as_ptr()
                .add(offset & (ROOM / 2 - 1))
                .cast::<[u8; N]>()
        })
    }
}

/// The frames inside one another, a copy of each one's head in the same room.
pub(crate) struct Frames<'a> {
    ctx: &'a TcContext,
    room: &'a mut [u8; ROOM],
}

impl<'a> Frames<'a> {
    #[inline(always)]
    pub(crate) fn of(ctx: &'a TcContext, room: &'a mut [u8; ROOM]) -> Self {
        Self { ctx, room }
    }
}

impl Behind for Frames<'_> {
    #[inline(always)]
    fn behind(&mut self, offset: u32) -> Option<impl Bytes> {
        let length = self.ctx.len().wrapping_sub(offset);
        Head::copy(self.ctx, self.room, offset, length as usize).map(Inside)
    }
}

/// The copied head of a frame inside. Its headers begin at 0, so that the compiler works their offsets
/// out, and the mask in [`Head`] away; Linux 6.1 then sees no bound.
struct Inside<'a>(Head<'a>);

impl Bytes for Inside<'_> {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.0.at(any(offset as u64) as usize)
    }
}

/// The datagrams of a merged buffer.
pub(crate) struct Datagrams<'a> {
    ctx: &'a TcContext,
    room: &'a mut [u8; ROOM],
}

impl<'a> Datagrams<'a> {
    #[inline(always)]
    pub(crate) fn of(ctx: &'a TcContext, room: &'a mut [u8; ROOM]) -> Self {
        Self { ctx, room }
    }
}

impl Heads for Datagrams<'_> {
    #[inline(always)]
    fn head(&mut self, offset: u32, length: u32) -> Option<&[u8; GLANCE]> {
        let before = before(u64::from(length));
        if before >= GLANCE {
            return None;
        }
        let length = (before + 1) as u32;
        let head: &mut [u8; GLANCE] = self.room.first_chunk_mut()?;
        // SAFETY: `head` has GLANCE bytes and `length` is between 1 and GLANCE.
        let failed = unsafe {
            bpf_skb_load_bytes(
                self.ctx.skb.skb.cast(),
                offset,
                head.as_mut_ptr().cast(),
                length,
            )
        };
        (failed == 0).then_some(head)
    }
}
