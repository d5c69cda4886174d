//! The batch commands of `bpf(2)`, apart from the agent's own: a differential test must not read
//! the kernel with the code that it tests.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const MAP_UPDATE: libc::c_long = 2;
const MAP_DELETE: libc::c_long = 3;
const MAP_LOOKUP_BATCH: libc::c_long = 24;
const MAP_UPDATE_BATCH: libc::c_long = 26;

/// `union bpf_attr` of the batch commands (kernel: include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// `union bpf_attr` of the element commands.
#[repr(C)]
struct ElementAttr {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// A map by its descriptor and sizes.
#[derive(Clone, Copy)]
pub(crate) struct RawMap<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) key: usize,
    /// Bytes of a value, of all CPUs.
    pub(crate) value: usize,
}

impl RawMap<'_> {
    fn number(&self) -> u32 {
        u32::try_from(self.fd.as_raw_fd()).expect("a descriptor")
    }

    /// The first entries, up to `most`.
    pub(crate) fn read(&self, most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.read_from(0, most)
    }

    /// Up to `most` entries of an array from index `first` on, of a hash map from 0 alone.
    pub(crate) fn read_from(&self, first: u32, most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (mut keys, mut values) = (vec![0_u8; most * self.key], vec![0_u8; most * self.value]);
        let mut position = [0_u8; 64];
        position[..4].copy_from_slice(&first.wrapping_sub(1).to_ne_bytes());
        let begin = position.as_mut_ptr() as u64;
        let mut attr = BatchAttr {
            in_batch: if first == 0 { 0 } else { begin },
            out_batch: position.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(most).expect("a count"),
            map: self.number(),
            ..BatchAttr::default()
        };
        match call(MAP_LOOKUP_BATCH, &mut attr) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => panic!("read a map of {} byte values: {error}", self.value),
        }
        let count = attr.count as usize;
        let keys = keys.chunks_exact(self.key).map(<[u8]>::to_vec);
        let values = values.chunks_exact(self.value).map(<[u8]>::to_vec);
        keys.zip(values).take(count).collect()
    }

    /// Writes zeroes over the first `count` values of an array.
    pub(crate) fn clear_array(&self, count: u32) {
        self.clear_array_from(0, count);
    }

    /// Writes zeroes over `count` values of an array from index `first` on.
    pub(crate) fn clear_array_from(&self, first: u32, count: u32) {
        let indices = first..first + count;
        let mut keys: Vec<u8> = indices.flat_map(u32::to_ne_bytes).collect();
        let mut values = vec![0_u8; count as usize * self.value];
        let mut attr = BatchAttr {
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count,
            map: self.number(),
            ..BatchAttr::default()
        };
        call(MAP_UPDATE_BATCH, &mut attr).expect("clear an array");
    }

    /// Removes all entries of a hash map of at most `most`.
    pub(crate) fn clear_hash(&self, most: usize) {
        for (key, _) in self.read(most) {
            let mut attr = self.element(&key, std::ptr::null());
            call(MAP_DELETE, &mut attr).expect("delete an entry");
        }
    }

    pub(crate) fn put(&self, key: &[u8], value: &[u8]) {
        assert_eq!((key.len(), value.len()), (self.key, self.value));
        let mut attr = self.element(key, value.as_ptr());
        call(MAP_UPDATE, &mut attr).expect("write an entry");
    }

    fn element(&self, key: &[u8], value: *const u8) -> ElementAttr {
        ElementAttr {
            map: self.number(),
            reserved: 0,
            key: key.as_ptr() as u64,
            value: value as u64,
            flags: 0,
        }
    }
}

fn call<T>(command: libc::c_long, attr: &mut T) -> io::Result<()> {
    let attr_size = libc::c_long::try_from(size_of::<T>()).expect("a size");
    // SAFETY: `attr` is laid out as the kernel's union; the buffers in it outlive the call and are
    // as long as count, key and value sizes say: their makers above see to it.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), attr_size) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
