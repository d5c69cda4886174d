//! The frames of all captures of a node in order of time, one of each file in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::BufReader;

use super::capture::{Capture, CaptureError, Head, Interface};
use super::error::Cause;
use super::{BundleError, PacketFile, regular};

const BUFFER: usize = 64 << 10;

/// Open captures.
#[derive(Debug)]
pub struct Merge<'a> {
    files: Vec<Open<'a>>,
    order: BinaryHeap<Reverse<(u64, usize)>>,
    last: Option<usize>,
}

#[derive(Debug)]
struct Open<'a> {
    file: &'a PacketFile,
    capture: Capture<BufReader<File>>,
    head: Option<Head>,
    bytes: Vec<u8>,
}

/// One frame with all that its capture says of it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The file that it is from.
    pub file: &'a PacketFile,
    /// Its interface as the file describes it.
    pub interface: &'a Interface,
    /// Time, length and direction.
    pub head: &'a Head,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// Name of its device: as the file says, else as the file is named.
    #[must_use]
    pub fn device(&self) -> &str {
        let name = self.interface.name.as_deref();
        name.unwrap_or(&self.file.interface)
    }

    /// Refuses the file for what this frame says.
    #[must_use]
    pub fn refuse(&self, why: &str) -> BundleError {
        Cause::Content(format!("byte {}: {why}", self.head.offset)).of(&self.file.path)
    }
}

impl<'a> Merge<'a> {
    /// Opens all files.
    pub fn open(files: &'a [PacketFile]) -> Result<Self, BundleError> {
        let mut merge = Self {
            files: Vec::new(),
            order: BinaryHeap::new(),
            last: None,
        };
        for (place, file) in files.iter().enumerate() {
            let opened = regular::open(&file.path).map_err(|cause| cause.of(&file.path))?;
            let capture = Capture::open(BufReader::with_capacity(BUFFER, opened));
            merge.files.push(Open {
                file,
                capture: capture.map_err(|error| Cause::Capture(error).of(&file.path))?,
                head: None,
                bytes: Vec::new(),
            });
            merge.advance(place)?;
        }
        Ok(merge)
    }

    /// The next frame of all; `None` when all files are over.
    pub fn take(&mut self) -> Result<Option<Frame<'_>>, BundleError> {
        if let Some(last) = self.last.take() {
            self.advance(last)?;
        }
        let Some(Reverse((_, place))) = self.order.pop() else {
            return Ok(None);
        };
        self.last = Some(place);
        Ok(self.files.get(place).and_then(Open::frame))
    }

    fn advance(&mut self, place: usize) -> Result<(), BundleError> {
        let Some(open) = self.files.get_mut(place) else {
            return Ok(());
        };
        let refused = |error: CaptureError| Cause::Capture(error).of(&open.file.path);
        open.head = open.capture.take(&mut open.bytes).map_err(refused)?;
        if let Some(head) = &open.head {
            self.order.push(Reverse((head.wall, place)));
        }
        Ok(())
    }
}

impl Open<'_> {
    fn frame(&self) -> Option<Frame<'_>> {
        let head = self.head.as_ref()?;
        Some(Frame {
            file: self.file,
            interface: self.capture.interfaces().get(head.interface)?,
            head,
            bytes: &self.bytes,
        })
    }
}
