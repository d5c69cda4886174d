//! The bytes of an archive on their way: counted where they come from, and bounded and stopped where
//! they are unpacked.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use crate::record::Stop;

/// Counts what is used of a reader.
pub(super) struct Counted<R> {
    inner: R,
    offset: Rc<Cell<u64>>,
}

impl<R> Counted<R> {
    pub(super) fn new(inner: R) -> Self {
        let offset = Rc::default();
        Self { inner, offset }
    }

    /// Bytes used so far; it goes on counting.
    pub(super) fn offset(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.offset)
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.offset.set(self.offset.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.offset.set(self.offset.get() + amount as u64);
        self.inner.consume(amount);
    }
}

/// Ends in an error where more bytes come than may, or it is to stop.
pub(super) struct Limited<'a, R> {
    inner: R,
    stop: &'a Stop,
    most: u64,
    left: u64,
    has_ended: bool,
}

impl<'a, R> Limited<'a, R> {
    pub(super) const fn new(inner: R, most: u64, stop: &'a Stop) -> Self {
        Self {
            inner,
            stop,
            most,
            left: most,
            has_ended: false,
        }
    }

    /// True if its end was met.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other("stopped"));
        }
        let read = self.inner.read(into)?;
        self.has_ended = read == 0 && !into.is_empty();
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let most = self.most;
            let text =
                format!("more than {most} bytes unpacked; unpack it by hand and give its folder");
            io::Error::other(text)
        })?;
        Ok(read)
    }
}
