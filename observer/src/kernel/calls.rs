//! The `bpf(2)` commands that the agent needs and aya lacks: on maps, as thin functions over byte
//! slices, and the link of an XDP program. Beside the control page the only file here with unsafe
//! code.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const MAP_DELETE_ELEM: libc::c_long = 3;
const MAP_LOOKUP_BATCH: libc::c_long = 24;
const LINK_CREATE: libc::c_long = 28;

/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_XDP: u32 = 37;

/// `union bpf_attr`, the part of the element commands (kernel: include/uapi/linux/bpf.h).
#[repr(C)]
struct ElementAttr {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr`, the part of the batch commands.
#[repr(C)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    element_flags: u64,
    flags: u64,
}

/// `union bpf_attr`, the part of the command that makes a link.
#[repr(C)]
struct LinkAttr {
    program_fd: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Puts an XDP program at a device by a link that ends with its descriptor. It takes no other one's
/// place: aya, where the kernel says no, asks again by netlink, which would.
pub(super) fn link_xdp(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = LinkAttr {
        program_fd: number(program),
        ifindex,
        attach_type: ATTACH_XDP,
        flags,
    };
    let fd = call(LINK_CREATE, &mut attr)?;
    // SAFETY: the kernel has just made the descriptor, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Copies the value of `key` into `value`. The lengths are the map's: the caller checked them.
pub(super) fn look_up(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    element(
        MAP_LOOKUP_ELEM,
        map,
        key.as_ptr(),
        value.as_mut_ptr().cast_const(),
    )
}

/// Stores `value` under `key`, new or not.
pub(super) fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    element(MAP_UPDATE_ELEM, map, key.as_ptr(), value.as_ptr())
}

/// Removes `key`.
pub(super) fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    element(MAP_DELETE_ELEM, map, key.as_ptr(), std::ptr::null())
}

fn element(
    command: libc::c_long,
    map: BorrowedFd<'_>,
    key: *const u8,
    value: *const u8,
) -> io::Result<()> {
    let mut attr = ElementAttr {
        map_fd: number(map),
        reserved: 0,
        key: key as u64,
        value: value as u64,
        flags: 0,
    };
    call(command, &mut attr).map(drop)
}

/// One batch: where to go on and how many entries came.
pub(super) struct Batch {
    /// Entries copied.
    pub(super) count: u32,
    /// No more entries behind these.
    pub(super) last: bool,
}

/// Buffers of one batch; each holds as many entries as `count` says at first.
pub(super) struct BatchBuffers<'a> {
    pub(super) keys: &'a mut [u8],
    pub(super) values: &'a mut [u8],
    pub(super) count: u32,
}

/// Copies the next entries of a map. `position` is opaque to the caller: the kernel's cursor, at
/// least as long as a key and 4 bytes; `first` starts over.
pub(super) fn look_up_batch(
    map: BorrowedFd<'_>,
    position: &mut [u8],
    first: bool,
    buffers: &mut BatchBuffers<'_>,
) -> io::Result<Batch> {
    let cursor = position.as_mut_ptr() as u64;
    let mut attr = BatchAttr {
        in_batch: if first { 0 } else { cursor },
        out_batch: cursor,
        keys: buffers.keys.as_mut_ptr() as u64,
        values: buffers.values.as_mut_ptr() as u64,
        count: buffers.count,
        map_fd: number(map),
        element_flags: 0,
        flags: 0,
    };
    match call(MAP_LOOKUP_BATCH, &mut attr) {
        Ok(_) => Ok(Batch {
            count: attr.count,
            last: false,
        }),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Batch {
            count: attr.count,
            last: true,
        }),
        Err(error) => Err(error),
    }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

/// What the kernel answers: a descriptor of commands that make one, else 0.
fn call<A>(command: libc::c_long, attr: &mut A) -> io::Result<RawFd> {
    // SAFETY: `attr` is a prefix of `union bpf_attr` of the length passed; its pointers come from
    // slices that the callers of this file sized by the map's own key and value sizes, and that
    // outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<A>()) };
    match RawFd::try_from(result) {
        Ok(answer) if answer >= 0 => Ok(answer),
        _ => Err(io::Error::last_os_error()),
    }
}
