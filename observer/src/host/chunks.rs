//! A list of fixed length whose values are made at first use and never move, so that they can be
//! lent out while others are made.

use std::cell::OnceCell;

const CHUNK: usize = 16;

type Chunk<T> = Box<[OnceCell<T>; CHUNK]>;

/// Up to a fixed number of values.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<OnceCell<Chunk<T>>>,
    length: usize,
}

impl<T> Chunks<T> {
    /// Room for `length` values, none of them made.
    pub(super) fn new(length: usize) -> Self {
        let mut chunks = Vec::new();
        chunks.resize_with(length.div_ceil(CHUNK), OnceCell::new);
        Self { chunks, length }
    }

    /// Number of values that there is room for.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// The value at an index, if it was made.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.chunks
            .get(index / CHUNK)?
            .get()?
            .get(index % CHUNK)?
            .get()
    }

    /// The value at an index, made if need be; nothing behind the end.
    pub(super) fn get_or_make(&self, index: usize, make: impl FnOnce() -> T) -> Option<&T> {
        if index >= self.length {
            return None;
        }
        let chunk = self
            .chunks
            .get(index / CHUNK)?
            .get_or_init(|| Box::new([const { OnceCell::new() }; CHUNK]));
        Some(chunk.get(index % CHUNK)?.get_or_init(make))
    }

    /// The values that were made.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0_u32..)
            .step_by(CHUNK)
            .zip(&self.chunks)
            .filter_map(|(first, chunk)| Some((first, chunk.get()?)))
            .flat_map(|(first, chunk)| (first..).zip(chunk.iter()))
            .filter_map(|(index, cell)| Some((index, cell.get()?)))
    }
}
