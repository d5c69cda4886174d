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
        self.entries(size_of::<V>(), limit, |key, value| {
            if let Ok(value) = V::read_from_bytes(value) {
                each(key, value);
            }
        })
    }

    /// Values of `stride` bytes each.
    fn entries(
        &mut self,
        stride: usize,
        limit: u32,
        mut each: impl FnMut(K, &[u8]),
    ) -> Result<(), TableError> {
        let key_size = size_of::<K>();
        self.keys.resize(key_size * CHUNK as usize, 0);
        self.values.resize(stride * CHUNK as usize, 0);
        let mut position = vec![0; key_size.max(8)];
        let mut rest = limit;
        while rest > 0 {
            let first = rest == limit;
            let count = CHUNK.min(rest);
            let mut buffers = BatchBuffers {
                keys: &mut self.keys,
                values: &mut self.values,
                count,
            };
            let fd = self.map.fd().as_fd();
            let batch = calls::look_up_batch(fd, &mut position, first, &mut buffers)
                .map_err(|error| self.failed("read a batch of", error))?;
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

/// An array with one value per CPU and index; read as lists.
#[derive(Debug)]
pub struct PerCpuTable<V> {
    table: Table<u32, V>,
    cpus: usize,
}

impl<V: FromBytes + Immutable + KnownLayout> PerCpuTable<V> {
    pub(super) fn new(map: MapData, name: &'static str, cpus: usize) -> Self {
        Self {
            table: Table::new(map, name),
            cpus,
        }
    }

    /// Calls `each` with every index below `limit` and the values of all CPUs.
    pub fn for_each_below(
        &mut self,
        limit: u32,
        mut each: impl FnMut(u32, &[V]),
    ) -> Result<(), TableError> {
        // The kernel rounds a CPU's value up to 8 bytes (kernel: kernel/bpf/arraymap.c).
        let one = size_of::<V>().next_multiple_of(8);
        let mut list = Vec::with_capacity(self.cpus);
        self.table.entries(one * self.cpus, limit, |index, values| {
            list.clear();
            let copies = values.chunks_exact(one);
            list.extend(
                copies
                    .filter_map(|bytes| V::read_from_prefix(bytes).ok())
                    .map(|(value, _)| value),
            );
            each(index, &list);
        })
    }
}
