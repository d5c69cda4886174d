//! Typed maps: keys and values by zerocopy's proofs, decoded by copy. Reads whole maps in batches
//! through one reused buffer.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;

use aya::maps::MapData;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::calls::{self, BatchBuffers};

/// Entries per batch call.
const CHUNK: u32 = 1024;

/// A call on a map failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} map `{map}`: {source}")]
pub struct TableError {
    action: &'static str,
    map: &'static str,
    #[source]
    source: io::Error,
}

/// A map with one value per key.
pub struct Table<K, V> {
    map: MapData,
    name: &'static str,
    keys: Vec<u8>,
    values: Vec<u8>,
    types: PhantomData<(K, V)>,
}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<K, V> Table<K, V>
where
    K: FromBytes + IntoBytes + Immutable + KnownLayout,
    V: FromBytes + Immutable + KnownLayout,
{
    pub(super) fn new(map: MapData, name: &'static str) -> Self {
        Self {
            map,
            name,
            keys: Vec::new(),
            values: Vec::new(),
            types: PhantomData,
        }
    }

    /// The value of a key, if there is one.
    pub fn get(&self, key: &K) -> Result<Option<V>, TableError> {
        let mut value = vec![0; size_of::<V>()];
        match calls::look_up(self.map.fd().as_fd(), key.as_bytes(), &mut value) {
            Ok(()) => Ok(V::read_from_bytes(&value).ok()),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(self.failed("look up in", error)),
        }
    }

    /// Stores a value.
    pub fn put(&mut self, key: &K, value: &V) -> Result<(), TableError>
    where
        V: IntoBytes,
    {
        calls::update(self.map.fd().as_fd(), key.as_bytes(), value.as_bytes())
            .map_err(|error| self.failed("write to", error))
    }

    /// Removes a key; true if it was there.
    pub fn remove(&mut self, key: &K) -> Result<bool, TableError> {
        match calls::delete(self.map.fd().as_fd(), key.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(self.failed("delete from", error)),
        }
    }

    /// Calls `each` for every entry. An entry that moves while it is read may be seen twice or not
    /// at all.
    pub fn for_each(&mut self, each: impl FnMut(K, V)) -> Result<(), TableError> {
        self.for_each_below(u32::MAX, each)
    }

    /// Calls `each` for the first `limit` entries: of an array, those with an index below it.
    pub fn for_each_below(
        &mut self,
        limit: u32,
        mut each: impl FnMut(K, V),
    ) -> Result<(), TableError> {
        self.entries(size_of::<V>(), None, limit, |key, value| {
            if let Ok(value) = V::read_from_bytes(value) {
                each(key, value);
            }
        })
    }

    /// Up to `limit` values of `stride` bytes each, behind the key `after` or from the beginning.
    fn entries(
        &mut self,
        stride: usize,
        after: Option<&K>,
        limit: u32,
        mut each: impl FnMut(K, &[u8]),
    ) -> Result<(), TableError> {
        let key_size = size_of::<K>();
        self.keys.resize(key_size * CHUNK as usize, 0);
        self.values.resize(stride * CHUNK as usize, 0);
        let mut position = vec![0; key_size.max(8)];
        if let (Some(after), Some(start)) = (after, position.get_mut(..key_size)) {
            start.copy_from_slice(after.as_bytes());
        }
        let mut begins = after.is_none();
        let mut rest = limit;
        while rest > 0 {
            let count = CHUNK.min(rest);
            let mut buffers = BatchBuffers {
                keys: &mut self.keys,
                values: &mut self.values,
                count,
            };
            let fd = self.map.fd().as_fd();
            let batch = calls::look_up_batch(fd, &mut position, begins, &mut buffers)
                .map_err(|error| self.failed("read a batch of", error))?;
            begins = false;
            let keys = self.keys.chunks_exact(key_size).take(batch.count as usize);
            for (key, value) in keys.zip(self.values.chunks_exact(stride)) {
                if let Ok(key) = K::read_from_bytes(key) {
                    each(key, value);
                }
            }
            if batch.last {
                break;
            }
            rest -= batch.count.min(rest);
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> TableError {
        TableError {
            action,
            map: self.name,
            source,
        }
    }
}

/// A plain array in which every CPU has rows of its own, one CPU's behind the other's.
#[derive(Debug)]
pub struct CpuRows<V> {
    table: Table<u32, V>,
    cpus: u32,
    rows: u32,
    size: usize,
}

impl<V: FromBytes + Immutable + KnownLayout> CpuRows<V> {
    /// `rows` values of `size` bytes for each CPU; the first bytes of a value are a `V`.
    pub(super) fn new(
        map: MapData,
        name: &'static str,
        (cpus, rows): (u32, u32),
        size: usize,
    ) -> Self {
        Self {
            table: Table::new(map, name),
            cpus,
            rows,
            // The kernel rounds a value up to 8 bytes (kernel: kernel/bpf/arraymap.c).
            size: size.next_multiple_of(8),
        }
    }

    /// Calls `each` for every CPU with every row below `limit`.
    pub fn for_each_below(
        &mut self,
        limit: u32,
        mut each: impl FnMut(u32, &V),
    ) -> Result<(), TableError> {
        for cpu in 0..self.cpus {
            let first = cpu * self.rows;
            let after = first.checked_sub(1);
            let limit = limit.min(self.rows);
            self.table
                .entries(self.size, after.as_ref(), limit, |index, value| {
                    if let Ok((value, _)) = V::ref_from_prefix(value) {
                        each(index - first, value);
                    }
                })?;
        }
        Ok(())
    }
}
