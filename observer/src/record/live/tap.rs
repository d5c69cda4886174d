//! A packet socket over all devices of the network namespace: every frame with its device, direction and
//! time, and what the kernel knows of it beside its bytes: segment size of an aggregate, mark, VLAN tag.
//!
//! Never: a packet sent or changed, a device touched, a header read.

use std::io;
use std::os::fd::OwnedFd;

use libc::{c_int, sock_filter};
use tokio::io::unix::AsyncFd;

use super::calls::{self, Batch, Message};
use crate::record::capture::{Beside, Heading};

/// Bytes that are kept of a frame: more than the programs read of one (240). A tag that the kernel holds
/// apart comes in addition.
pub(super) const SNAP_LENGTH: u32 = 256;

/// Bytes of a frame that is kept whole, at most: an IP packet with the longest link header.
const WHOLE: u32 = 65_535 + 32;
/// `struct virtio_net_hdr` (`include/uapi/linux/virtio_net.h`).
const VIRTIO: usize = 10;
/// `PACKET_OUTGOING`: what the host sends.
const OUTGOING: u8 = 4;
/// `VIRTIO_NET_HDR_GSO_UDP_L4`.
const GSO_UDP: u8 = 5;
/// Memory of the kernel for frames that were not taken yet, bytes.
const BUFFER: c_int = 64 << 20;
/// Batches that are taken until the caller is heard again.
const BATCHES: usize = 64;

/// Socket options and control messages that the C library's bindings do not name for every system
/// (`include/uapi/linux/if_packet.h`, `include/uapi/asm-generic/socket.h`).
const PACKET_AUXDATA: c_int = 8;
const PACKET_VNET_HDR: c_int = 15;
const SO_TIMESTAMPNS_NEW: c_int = 64;
const SO_RCVMARK: c_int = 75;
const TAG_VALID: u32 = 1 << 4;
const PROTOCOL_VALID: u32 = 1 << 6;
/// IEEE 802.1Q, the type of a tag for which the kernel says none.
const TAG: u16 = 0x8100;

/// The open socket.
pub(super) struct Tap {
    socket: AsyncFd<OwnedFd>,
    batch: Batch,
    has_marks: bool,
    /// Messages that the kernel could not describe, or not so that they can be read.
    refused: u64,
    dropped: u64,
}

/// Frames that are not in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) no_room: u64,
    pub(super) not_described: u64,
}

/// A frame as the socket showed it.
pub(super) struct Taken<'a> {
    pub(super) ifindex: u32,
    /// Hardware type of its device (`ARPHRD_*`).
    pub(super) hardware: u16,
    pub(super) heading: Heading,
    /// Nanoseconds since 1970.
    pub(super) wall: u64,
    /// Length on the wire, without a tag that the kernel holds apart.
    pub(super) length: u32,
    pub(super) bytes: &'a [u8],
    /// Type and contents of such a tag.
    pub(super) tag: Option<[u16; 2]>,
    pub(super) beside: Beside,
}

impl Tap {
    /// Opens the socket; frames come from here on.
    pub(super) fn open() -> io::Result<Self> {
        let socket = calls::open()?;
        let packet = |name| (libc::SOL_PACKET, name);
        let general = |name| (libc::SOL_SOCKET, name);
        calls::set(&socket, packet(PACKET_AUXDATA), 1)?;
        calls::set(&socket, packet(PACKET_VNET_HDR), 1)?;
        calls::set(&socket, general(SO_TIMESTAMPNS_NEW), 1)?;
        // Linux 5.19 and newer show marks.
        let has_marks = calls::set(&socket, general(SO_RCVMARK), 1).is_ok();
        if calls::set(&socket, general(libc::SO_RCVBUFFORCE), BUFFER).is_err() {
            calls::set(&socket, general(libc::SO_RCVBUF), BUFFER)?;
        }
        calls::filter(&socket, &mut keep())?;
        calls::begin(&socket)?;
        Ok(Self {
            socket: calls::awaitable(socket)?,
            batch: Batch::new(VIRTIO + WHOLE as usize),
            has_marks,
            refused: 0,
            dropped: 0,
        })
    }

    /// Whether marks are shown.
    pub(super) const fn has_marks(&self) -> bool {
        self.has_marks
    }

    /// Waits for frames and hands on those that there are, a few batches at most.
    pub(super) async fn take(&mut self, mut each: impl FnMut(&Taken<'_>)) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        for _ in 0..BATCHES {
            match fill(&mut self.batch, ready.get_inner(), &mut self.refused)? {
                0 => {
                    ready.clear_ready();
                    break;
                }
                _ => hand_on(self.batch.messages(), &mut self.refused, &mut each),
            }
        }
        Ok(())
    }

    /// Hands on what came until `end`, nanoseconds since 1970, without waiting for more.
    pub(super) fn drain(&mut self, end: u64, mut each: impl FnMut(&Taken<'_>)) -> io::Result<()> {
        let mut is_over = false;
        while !is_over && fill(&mut self.batch, self.socket.get_ref(), &mut self.refused)? > 0 {
            hand_on(self.batch.messages(), &mut self.refused, |frame| {
                is_over |= frame.wall > end;
                if frame.wall <= end {
                    each(frame);
                }
            });
        }
        Ok(())
    }

    /// Frames that are lost: those without room in the kernel, and those that it did not describe.
    pub(super) fn lost(&mut self) -> io::Result<Lost> {
        self.dropped += u64::from(calls::dropped(self.socket.get_ref())?);
        Ok(Lost {
            no_room: self.dropped,
            not_described: self.refused,
        })
    }
}

/// Takes a batch; 0 if there is nothing.
fn fill(batch: &mut Batch, socket: &OwnedFd, refused: &mut u64) -> io::Result<usize> {
    loop {
        let error = match batch.fill(socket) {
            Ok(filled) => return Ok(filled),
            Err(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::EAGAIN) => return Ok(0),
            Some(libc::EINVAL) => *refused += 1,
            // The latter: a device went down; the socket holds on to the others.
            Some(libc::EINTR | libc::ENETDOWN) => {}
            _ => return Err(error),
        }
    }
}

/// Hands on the frames of messages, and counts those that hold none.
fn hand_on<'a>(
    messages: impl Iterator<Item = Option<Message<'a>>>,
    refused: &mut u64,
    mut each: impl FnMut(&Taken<'_>),
) {
    for message in messages {
        match message.as_ref().and_then(taken) {
            Some(frame) => each(&frame),
            None => *refused += 1,
        }
    }
}

/// None of a message that the kernel did not fill in as asked.
fn taken<'a>(message: &Message<'a>) -> Option<Taken<'a>> {
    let (virtio, bytes) = message.bytes.split_first_chunk::<VIRTIO>()?;
    let &[_, kind, _, _, s0, s1, ..] = virtio;
    let (mut mark, mut wall, mut about) = (0, 0, None);
    for (level, name, value) in control_messages(message.control) {
        let number = |at: usize| Some(u32::from_ne_bytes(*value.get(at..)?.first_chunk()?));
        match (level, name) {
            (libc::SOL_SOCKET, libc::SO_MARK) => mark = number(0)?,
            (libc::SOL_SOCKET, SO_TIMESTAMPNS_NEW) => {
                let part = |at: usize| Some(u64::from_ne_bytes(*value.get(at..)?.first_chunk()?));
                wall = part(0)?.checked_mul(1_000_000_000)?.checked_add(part(8)?)?;
            }
            (libc::SOL_PACKET, PACKET_AUXDATA) => about = Auxiliary::read(value),
            _ => {}
        }
    }
    let about = about?;
    let captured = bytes.len().min(about.captured as usize);
    let is_kept_whole = kind == GSO_UDP && message.hardware != libc::ARPHRD_ETHER;
    let kept = if is_kept_whole {
        captured
    } else {
        captured.min(SNAP_LENGTH as usize)
    };
    Some(Taken {
        ifindex: message.ifindex,
        hardware: message.hardware,
        heading: if message.kind == OUTGOING {
            Heading::Out
        } else {
            Heading::In
        },
        wall,
        length: about.length,
        bytes: bytes.get(..kept)?,
        tag: about.tag,
        beside: Beside {
            gso_size: u16::from_ne_bytes([s0, s1]).into(),
            mark,
        },
    })
}

/// `struct tpacket_auxdata` (`include/uapi/linux/if_packet.h`).
struct Auxiliary {
    length: u32,
    captured: u32,
    tag: Option<[u16; 2]>,
}

impl Auxiliary {
    fn read(value: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_ne_bytes(*value.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(u16::from_ne_bytes(*value.get(at..)?.first_chunk()?));
        let (status, contents) = (word(0)?, half(16)?);
        let protocol = if status & PROTOCOL_VALID == 0 {
            TAG
        } else {
            half(18)?
        };
        Some(Self {
            length: word(4)?,
            captured: word(8)?,
            tag: (status & TAG_VALID != 0).then_some([protocol, contents]),
        })
    }
}

/// (level, type, value) of each control message (`struct cmsghdr`); ends at one that cannot be.
fn control_messages(mut rest: &[u8]) -> impl Iterator<Item = (c_int, c_int, &[u8])> {
    const LENGTH: usize = size_of::<usize>();
    const HEAD: usize = LENGTH + 2 * size_of::<c_int>();
    std::iter::from_fn(move || {
        let (head, _) = rest.split_first_chunk::<HEAD>()?;
        let (length, kind) = head.split_first_chunk::<LENGTH>()?;
        let (level, name) = kind.split_first_chunk::<4>()?;
        let length = usize::from_ne_bytes(*length);
        let value = rest.get(HEAD..length)?;
        let read = (
            c_int::from_ne_bytes(*level),
            c_int::from_ne_bytes(*name.first_chunk()?),
            value,
        );
        rest = rest
            .get(length.next_multiple_of(LENGTH)..)
            .unwrap_or_default();
        Some(read)
    })
}

/// The filter: nothing of the loopback, heads of what has an Ethernet header, and all of what a tunnel
/// gives and takes, where whole batches of VXLAN datagrams pass as one buffer, each with a head of its own.
const fn keep() -> [sock_filter; 6] {
    /// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K`.
    const LOAD: u16 = 0x20;
    const EQUALS: u16 = 0x15;
    const KEEP: u16 = 0x06;
    /// `SKF_AD_OFF` and `SKF_AD_HATYPE` (`include/uapi/linux/filter.h`).
    const HARDWARE: u32 = 0xffff_f000 + 28;
    [
        instruction(LOAD, (0, 0), HARDWARE),
        instruction(EQUALS, (0, 1), libc::ARPHRD_LOOPBACK as u32),
        instruction(KEEP, (0, 0), 0),
        instruction(EQUALS, (0, 1), libc::ARPHRD_ETHER as u32),
        instruction(KEEP, (0, 0), SNAP_LENGTH),
        instruction(KEEP, (0, 0), WHOLE),
    ]
}

const fn instruction(code: u16, (is_true, is_false): (u8, u8), k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: is_true,
        jf: is_false,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_not_described_is_counted() {
        let about = |value: &[u8]| {
            let mut bytes = (16 + value.len()).to_ne_bytes().to_vec();
            bytes.extend(
                [libc::SOL_PACKET, PACKET_AUXDATA]
                    .map(c_int::to_ne_bytes)
                    .concat(),
            );
            bytes.extend(value);
            bytes
        };
        let words = [0_u32, 60, 60].map(u32::to_ne_bytes).concat();
        let (whole, short) = (about(&[&words[..], &[0; 8]].concat()), about(&words));
        let message = |bytes, control| {
            Some(Message {
                ifindex: 2,
                hardware: libc::ARPHRD_ETHER,
                kind: OUTGOING,
                bytes,
                control,
            })
        };
        let frame = [0; VIRTIO + 60];
        let messages = [
            message(&frame[..], &whole[..]),
            message(&frame, &short),
            message(&frame, &[]),
            message(&frame[..VIRTIO - 1], &whole),
            None,
            message(&frame, &whole),
        ];
        let (mut refused, mut lengths) = (0, Vec::new());
        hand_on(messages.into_iter(), &mut refused, |frame| {
            lengths.push((frame.bytes.len(), frame.length));
        });
        assert_eq!((refused, lengths.as_slice()), (4, &[(60, 60); 2][..]));
    }

    #[test]
    fn control_messages_end_at_one_that_cannot_be() {
        let message = |length: usize, kind: c_int, value: &[u8]| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(1_i32.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes
        };
        let good = [
            message(20, 36, &[1, 0, 0, 0, 0, 0, 0, 0]),
            message(24, 64, &[2; 8]),
        ];
        let read = |bytes: &[u8]| control_messages(bytes).count();
        assert_eq!(read(&good.concat()), 2);
        let marks: Vec<_> = control_messages(&good[0]).collect();
        assert_eq!(marks, [(1, 36, &[1, 0, 0, 0][..])]);
        assert_eq!(read(&message(usize::MAX, 36, &[0; 8])), 0);
        assert_eq!(read(&message(3, 36, &[0; 8])), 0, "shorter than its head");
        for cut in 0..good.concat().len() {
            assert!(read(&good.concat()[..cut]) <= 2);
        }
    }
}
