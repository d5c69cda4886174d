//! A reader of capture files, frame by frame: pcap (microseconds and nanoseconds) and pcapng, in
//! either byte order. It holds one frame or one pcapng block at a time.
//!
//! Never: a header of a packet read, a frame guessed behind a damaged one.

mod beside;
mod pcap;
mod pcapng;
mod source;

use std::io::Read;

pub use beside::Beside;
use source::Source;

/// The most bytes that one frame may have in a file: libpcap's `MAXIMUM_SNAPLEN`.
pub const LONGEST_FRAME: u32 = 262_144;

/// What a frame begins with (tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// `EN10MB` (1): an Ethernet header.
    Ethernet,
    /// `RAW` (101): an IP header.
    Raw,
    /// `LINUX_SLL` (113): a cooked header with direction, which does not say the interface.
    LinuxSll,
    /// `LINUX_SLL2` (276): a cooked header with interface index and direction.
    LinuxSll2,
}

impl LinkType {
    fn of(number: u16) -> Result<Self, Problem> {
        match number {
            1 => Ok(Self::Ethernet),
            101 => Ok(Self::Raw),
            113 => Ok(Self::LinuxSll),
            276 => Ok(Self::LinuxSll2),
            _ => Err(Problem::LinkType(number)),
        }
    }

    /// Its number.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Ethernet => 1,
            Self::Raw => 101,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
        }
    }

    /// What the frames of a device begin with, by its hardware type (`ARPHRD_*`).
    pub(super) const fn of_hardware(hardware: u16) -> Option<Self> {
        match hardware {
            libc::ARPHRD_ETHER => Some(Self::Ethernet),
            libc::ARPHRD_NONE => Some(Self::Raw),
            _ => None,
        }
    }
}

/// Where a frame went, as the capture says, relative to the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heading {
    /// Towards the host.
    In,
    /// Away from the host.
    Out,
}

/// An interface as the capture describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What its frames begin with.
    pub link: LinkType,
    /// Its name, where the file holds one.
    pub name: Option<String>,
}

/// A frame without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Byte offset of its record in the file.
    pub offset: u64,
    /// Place in [`Capture::interfaces`].
    pub interface: usize,
    /// Nanoseconds since 1970, as far as the file tells them apart.
    pub wall: u64,
    /// Length on the wire, bytes; never less than was captured.
    pub length: u32,
    /// Where it went, if the file says.
    pub heading: Option<Heading>,
    /// What the kernel knew of it beside its bytes, if the file says.
    pub beside: Beside,
}

/// Why a file cannot be read on, and where in it.
#[derive(Debug, thiserror::Error)]
#[error("byte {offset}: {problem}")]
pub struct CaptureError {
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// What is there.
    pub problem: Problem,
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file ends within a header, a record or a block.
    #[error(
        "the file ends before {what} does; was the capture cut off? `editcap FILE NEW` keeps its whole \
         frames"
    )]
    Truncated {
        /// What was read.
        what: &'static str,
    },
    /// The first bytes are those of no capture.
    #[error("begins with {0:#010x}, not as pcap or pcapng; unpack a compressed file first")]
    Magic(u32),
    /// A version that nobody writes.
    #[error("{format} version {version}, of which nothing is known")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version.
        version: u16,
    },
    /// A link type without a reader.
    #[error(
        "link type {0} is not read; EN10MB (1), RAW (101), LINUX_SLL (113) and LINUX_SLL2 (276) are: \
         capture on the node itself, with `tcpdump -i any -y LINUX_SLL2` or device by device"
    )]
    LinkType(u16),
    /// A length that cannot be.
    #[error("{what} is {length} bytes long, which cannot be: {reason}")]
    Length {
        /// What has the length.
        what: &'static str,
        /// The length, bytes.
        length: u64,
        /// What it must be.
        reason: &'static str,
    },
    /// A time that cannot be.
    #[error("{0}")]
    Time(&'static str),
    /// A frame of an interface that was not described.
    #[error("a frame of interface {0}, which the file does not describe before it")]
    Interface(u32),
    /// A block that holds frames in a form that is not read.
    #[error("a pcapng {0}, which is not read; rewrite the file with `editcap -F pcapng`")]
    Block(&'static str),
    /// More interfaces than any node has.
    #[error("more than {0} interfaces")]
    Interfaces(usize),
    /// The file cannot be read.
    #[error(transparent)]
    Io(std::io::Error),
}

impl Problem {
    const fn at(self, offset: u64) -> CaptureError {
        CaptureError {
            offset,
            problem: self,
        }
    }
}

/// An open capture.
#[derive(Debug)]
pub struct Capture<R> {
    source: Source<R>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::File),
    Pcapng(pcapng::File),
}

impl<R: Read> Capture<R> {
    /// Reads what stands before the first frame. `reader` should be buffered.
    pub fn open(reader: R) -> Result<Self, CaptureError> {
        let mut source = Source::new(reader);
        let magic = source.array::<4>("the file's first number")?;
        let format = if magic == pcapng::SECTION {
            Format::Pcapng(pcapng::File::open(&mut source)?)
        } else {
            Format::Pcap(pcap::File::open(&mut source, magic)?)
        };
        Ok(Self { source, format })
    }

    /// Reads the next frame into `bytes`, in place of what was there; `None` at the end.
    pub fn take(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Head>, CaptureError> {
        match &mut self.format {
            Format::Pcap(file) => file.next(&mut self.source, bytes),
            Format::Pcapng(file) => file.next(&mut self.source, bytes),
        }
    }

    /// The interfaces described so far.
    pub fn interfaces(&self) -> &[Interface] {
        match &self.format {
            Format::Pcap(file) => std::slice::from_ref(file.interface()),
            Format::Pcapng(file) => file.interfaces(),
        }
    }
}

/// Refuses a frame of lengths that cannot be.
fn check_lengths(captured: u32, length: u32) -> Result<(), Problem> {
    let wrong = |reason| {
        Err(Problem::Length {
            what: "a captured frame",
            length: captured.into(),
            reason,
        })
    };
    if captured > LONGEST_FRAME {
        return wrong("at most 262,144 bytes are captured of one");
    }
    if captured > length {
        return wrong("that is more than was on the wire");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
