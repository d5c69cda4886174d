//! The system calls of a packet socket (packet(7)) as thin functions over plain values. The only file of
//! the recorder with unsafe code; it gives no meaning to what it hands on.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use tokio::io::unix::AsyncFd;

use libc::{c_int, iovec, mmsghdr, sock_filter, sock_fprog, sockaddr_ll, socklen_t};

/// Messages that are taken at once.
const AT_ONCE: libc::c_uint = 32;
const MESSAGES: usize = AT_ONCE as usize;
/// Room for what comes with a frame: time, mark and what the socket says of it, 96 bytes together.
const CONTROL: usize = 256;
const _: () = assert!(CONTROL.is_multiple_of(align_of::<usize>()));

/// Packets of all kinds (`ETH_P_ALL`), in network byte order as the calls want it.
const ALL: u16 = 3_u16.to_be();
/// `AF_PACKET` as addresses have it.
const FAMILY: u16 = 17;
const _: () = assert!(libc::ETH_P_ALL == 3 && libc::AF_PACKET == FAMILY as c_int);

/// Messages as the kernel filled them in.
pub(super) struct Batch {
    room: usize,
    frames: Vec<u8>,
    controls: Vec<usize>,
    from: [sockaddr_ll; MESSAGES],
    lengths: [Lengths; MESSAGES],
    filled: usize,
}

#[derive(Clone, Copy, Default)]
struct Lengths {
    frame: usize,
    control: usize,
}

/// Rooms of a frame and of its control messages.
type Parts<'a> = (&'a [u8], &'a [u8]);

/// One message.
pub(super) struct Message<'a> {
    /// Number of the device.
    pub(super) ifindex: u32,
    /// Type of its hardware addresses (`ARPHRD_*`).
    pub(super) hardware: u16,
    /// `PACKET_HOST`, `PACKET_OUTGOING` and so on.
    pub(super) kind: u8,
    /// The frame.
    pub(super) bytes: &'a [u8],
    /// Its control messages.
    pub(super) control: &'a [u8],
}

const NOWHERE: sockaddr_ll = sockaddr_ll {
    sll_family: 0,
    sll_protocol: 0,
    sll_ifindex: 0,
    sll_hatype: 0,
    sll_pkttype: 0,
    sll_halen: 0,
    sll_addr: [0; 8],
};

impl Batch {
    /// Room for frames of up to `room` bytes.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            frames: vec![0; room * MESSAGES],
            controls: vec![0; CONTROL / size_of::<usize>() * MESSAGES],
            from: [NOWHERE; MESSAGES],
            lengths: [Lengths::default(); MESSAGES],
            filled: 0,
        }
    }

    /// Takes what has come, in place of what was there; how many messages. An error stands for one
    /// message that could not be handed over, or `WouldBlock` for none.
    pub(super) fn fill(&mut self, socket: impl AsFd) -> io::Result<usize> {
        self.filled = 0;
        let words = CONTROL / size_of::<usize>();
        let parts = self.frames.chunks_exact_mut(self.room);
        let mut parts: Vec<iovec> = parts
            .map(|part| iovec {
                iov_base: part.as_mut_ptr().cast(),
                iov_len: part.len(),
            })
            .collect();
        let controls = self.controls.chunks_exact_mut(words);
        let mut headers: Vec<mmsghdr> = controls
            .zip(&mut self.from)
            .zip(&mut parts)
            .map(|((control, from), part)| {
                // SAFETY: all fields of `mmsghdr` are numbers and pointers, for which zero is a value.
                let mut header: mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_name = ptr::from_mut(from).cast();
                header.msg_hdr.msg_namelen = length_of::<sockaddr_ll>();
                header.msg_hdr.msg_iov = part;
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = CONTROL as _;
                header
            })
            .collect();
        // SAFETY: every header points to memory of `self` and of `parts` with the lengths stated, none
        // of it shared, and all of it lives until the call returns.
        let taken = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                headers.as_mut_ptr(),
                AT_ONCE,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let taken = usize::try_from(taken).map_err(|_| io::Error::last_os_error())?;
        for (header, lengths) in headers.iter().take(taken).zip(&mut self.lengths) {
            *lengths = Lengths {
                frame: header.msg_len as usize,
                control: room_of(&header.msg_hdr),
            };
        }
        self.filled = taken;
        Ok(taken)
    }

    /// The messages that the last call took; `None` for one whose lengths or device cannot be.
    pub(super) fn messages(&self) -> impl Iterator<Item = Option<Message<'_>>> {
        let controls: &[u8] = zerocopy::IntoBytes::as_bytes(self.controls.as_slice());
        let frames = self.frames.chunks_exact(self.room);
        let parts = frames.zip(controls.chunks_exact(CONTROL));
        let about = self.from.iter().zip(&self.lengths);
        parts.zip(about).take(self.filled).map(message)
    }
}

fn message<'a>(
    ((frame, control), (from, lengths)): (Parts<'a>, (&sockaddr_ll, &Lengths)),
) -> Option<Message<'a>> {
    Some(Message {
        ifindex: u32::try_from(from.sll_ifindex).ok()?,
        hardware: from.sll_hatype,
        kind: from.sll_pkttype,
        bytes: frame.get(..lengths.frame)?,
        control: control.get(..lengths.control)?,
    })
}

#[allow(clippy::unnecessary_cast, reason = "32 bits in other C libraries")]
const fn room_of(header: &libc::msghdr) -> usize {
    header.msg_controllen as usize
}

/// A packet socket that nothing reaches yet.
pub(super) fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the call takes numbers alone.
    let socket = check(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// Makes it one that can be waited for.
pub(super) fn awaitable(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the socket owns its descriptor, answers with the same one always, and closes it only when
    // dropped, after `AsyncFd` has taken it out of the poll set.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// Lets the packets of all devices come.
pub(super) fn begin(socket: &OwnedFd) -> io::Result<()> {
    let everywhere = sockaddr_ll {
        sll_family: FAMILY,
        sll_protocol: ALL,
        ..NOWHERE
    };
    // SAFETY: the address has the length stated and lives until the call returns.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            ptr::from_ref(&everywhere).cast(),
            length_of::<sockaddr_ll>(),
        )
    })?;
    Ok(())
}

/// Sets an option that is a number.
pub(super) fn set(socket: &OwnedFd, (level, name): (c_int, c_int), value: c_int) -> io::Result<()> {
    // SAFETY: the value has the length stated and lives until the call returns.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            length_of::<c_int>(),
        )
    })?;
    Ok(())
}

/// Attaches a filter, whose answer is how much of a frame is kept.
pub(super) fn filter(socket: &OwnedFd, program: &mut [sock_filter]) -> io::Result<()> {
    let program = sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(u16::MAX),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program has the length stated and lives until the call returns.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            ptr::from_ref(&program).cast(),
            length_of::<sock_fprog>(),
        )
    })?;
    Ok(())
}

/// Frames that there was no room for since the last call (`struct tpacket_stats`).
pub(super) fn dropped(socket: &OwnedFd) -> io::Result<u32> {
    /// `PACKET_STATISTICS` (`include/uapi/linux/if_packet.h`).
    const STATISTICS: c_int = 6;
    let mut counts = [0_u32; 2];
    let mut length = length_of::<[u32; 2]>();
    // SAFETY: the counts have the length stated and live until the call returns.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            STATISTICS,
            ptr::from_mut(&mut counts).cast(),
            &raw mut length,
        )
    })?;
    Ok(counts[1])
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

#[expect(clippy::cast_possible_truncation, reason = "types of a few bytes")]
const fn length_of<T>() -> socklen_t {
    size_of::<T>() as socklen_t
}

/// The name of a device.
pub(super) fn name(ifindex: u32) -> Option<String> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the name has the length that the call asks for, and lives until it returns.
    let found = unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr().cast()) };
    let text = name.split(|&octet| octet == 0).next()?;
    (!found.is_null()).then(|| String::from_utf8_lossy(text).into_owned())
}
