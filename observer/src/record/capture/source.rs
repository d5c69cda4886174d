//! Bytes of a file with the place that they came from.

use std::io::{ErrorKind, Read, copy, sink};

use super::{CaptureError, Problem};

/// A reader that counts.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, offset: 0 }
    }

    /// Bytes read so far.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Exactly `N` bytes.
    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], CaptureError> {
        let mut bytes = [0; N];
        let start = self.offset;
        if self.fill(&mut bytes)? < N {
            return Err(Problem::Truncated { what }.at(start));
        }
        Ok(bytes)
    }

    /// Exactly `N` bytes, or `None` where the file is over.
    pub(super) fn array_or_end<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<[u8; N]>, CaptureError> {
        let mut bytes = [0; N];
        let start = self.offset;
        match self.fill(&mut bytes)? {
            0 => Ok(None),
            read if read < N => Err(Problem::Truncated { what }.at(start)),
            _ => Ok(Some(bytes)),
        }
    }

    /// Exactly `length` bytes, whose number was checked, in place of what `bytes` held.
    pub(super) fn take(
        &mut self,
        length: u32,
        bytes: &mut Vec<u8>,
        what: &'static str,
    ) -> Result<(), CaptureError> {
        let start = self.offset;
        bytes.resize(length as usize, 0);
        if self.fill(bytes)? < bytes.len() {
            return Err(Problem::Truncated { what }.at(start));
        }
        Ok(())
    }

    /// Passes over `length` bytes.
    pub(super) fn skip(&mut self, length: u32, what: &'static str) -> Result<(), CaptureError> {
        let start = self.offset;
        let mut part = self.reader.by_ref().take(length.into());
        let read = copy(&mut part, &mut sink()).map_err(|error| Problem::Io(error).at(start))?;
        self.offset += read;
        if read < u64::from(length) {
            return Err(Problem::Truncated { what }.at(start));
        }
        Ok(())
    }

    /// As many bytes as there are, up to all of `bytes`.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, CaptureError> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Problem::Io(error).at(self.offset)),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }
}
