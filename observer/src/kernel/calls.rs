//! The `bpf(2)` map commands that the agent needs, as thin functions over byte slices. The only file
//! of the agent, beside the control page, with unsafe code.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const MAP_DELETE_ELEM: libc::c_long = 3;
const MAP_LOOKUP_BATCH: libc::c_long = 24;

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
    call(command, &mut attr)
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
        Ok(()) => Ok(Batch {
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

fn number(map: BorrowedFd<'_>) -> u32 {
    map.as_raw_fd().unsigned_abs()
}

fn call<A>(command: libc::c_long, attr: &mut A) -> io::Result<()> {
    // SAFETY: `attr` is a prefix of `union bpf_attr` of the length passed; its pointers come from
    // slices that the callers of this file sized by the map's own key and value sizes, and that
    // outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size_of::<A>()) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
