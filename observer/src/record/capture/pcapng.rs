//! pcapng files (draft-ietf-opsawg-pcapng, sections 3 and 4): sections, interface descriptions and
//! enhanced packet blocks. Blocks of other kinds are passed over.

use std::io::Read;

use super::source::Source;
use super::{
    Beside, CaptureError, Head, Heading, Interface, LONGEST_FRAME, LinkType, Problem, check_lengths,
};

/// Type of a section header; the same in both byte orders.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Bytes around a block's body: type, length, length again.
const FRAME: u32 = 12;
/// Room for a frame, what stands before it, and its options.
const LONGEST_BLOCK: u32 = LONGEST_FRAME + 65_536;
/// A node's devices are fewer.
const MOST_INTERFACES: usize = 65_536;

/// The open section.
#[derive(Debug)]
pub(super) struct File {
    is_big: bool,
    /// Interfaces of all sections; those of the open one begin at `first`.
    interfaces: Vec<Interface>,
    clocks: Vec<Clock>,
    first: usize,
    block: Vec<u8>,
}

/// How an interface's times are counted.
#[derive(Clone, Copy, Debug)]
struct Clock {
    ticks_per_second: u64,
    seconds: i64,
}

impl File {
    /// Reads the first section's header, behind its type.
    pub(super) fn open<R: Read>(source: &mut Source<R>) -> Result<Self, CaptureError> {
        let mut file = Self {
            is_big: false,
            interfaces: Vec::new(),
            clocks: Vec::new(),
            first: 0,
            block: Vec::new(),
        };
        file.begin_section(source)?;
        Ok(file)
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    pub(super) fn next<R: Read>(
        &mut self,
        source: &mut Source<R>,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Head>, CaptureError> {
        loop {
            let offset = source.offset();
            let Some(kind) = source.array_or_end("a block's type")? else {
                return Ok(None);
            };
            if kind == SECTION {
                self.begin_section(source)?;
                continue;
            }
            let length = self.number(source.array("a block's length")?);
            check_block(length, FRAME).map_err(|problem| problem.at(offset))?;
            let body = length - FRAME;
            let kind = self.number(kind);
            let is_read = matches!(kind, INTERFACE | ENHANCED_PACKET);
            if is_read && length > LONGEST_BLOCK {
                return Err(block_length(length, "at most 327,680 bytes are").at(offset));
            }
            if is_read {
                source.take(body, &mut self.block, "a block")?;
            } else {
                source.skip(body, "a block")?;
            }
            self.end_block(source, length, offset)?;
            let read = match kind {
                INTERFACE => self.describe().map(|()| None),
                ENHANCED_PACKET => self.packet(offset, bytes).map(Some),
                OLD_PACKET => Err(Problem::Block("packet block of the obsolete kind")),
                SIMPLE_PACKET => Err(Problem::Block("simple packet block without a time")),
                _ => Ok(None),
            };
            if let Some(head) = read.map_err(|problem| problem.at(offset))? {
                return Ok(Some(head));
            }
        }
    }

    /// A section header, whose type is read: its byte order holds for all that follows.
    fn begin_section<R: Read>(&mut self, source: &mut Source<R>) -> Result<(), CaptureError> {
        let offset = source.offset() - 4;
        let length = source.array("a section's length")?;
        let order = source.array("a section's byte order")?;
        self.is_big = match u32::from_be_bytes(order) {
            0x1a2b_3c4d => true,
            0x4d3c_2b1a => false,
            other => return Err(Problem::Magic(other).at(source.offset() - 4)),
        };
        let length = self.number(length);
        check_block(length, FRAME + 16).map_err(|problem| problem.at(offset))?;
        let [high, low, ..] = source.array::<4>("a section's version")?;
        let version = self.half([high, low]);
        if version != 1 {
            let format = "pcapng";
            return Err(Problem::Version { format, version }.at(offset));
        }
        source.skip(length - FRAME - 8, "a section's header")?;
        self.first = self.interfaces.len();
        self.end_block(source, length, offset)
    }

    fn end_block<R: Read>(
        &self,
        source: &mut Source<R>,
        length: u32,
        offset: u64,
    ) -> Result<(), CaptureError> {
        let again = self.number(source.array("a block's length at its end")?);
        if again == length {
            return Ok(());
        }
        Err(block_length(again, "its beginning says otherwise").at(offset))
    }

    /// The interface description in `block`.
    fn describe(&mut self) -> Result<(), Problem> {
        let body = self.block.as_slice();
        let (Some(&[high, low, ..]), Some(options)) = (body.first_chunk::<8>(), body.get(8..))
        else {
            return Err(block_length(
                FRAME,
                "an interface description has 20 or more",
            ));
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Problem::Interfaces(MOST_INTERFACES));
        }
        let link = LinkType::of(self.half([high, low]))?;
        let mut name = None;
        let mut clock = Clock {
            ticks_per_second: 1_000_000,
            seconds: 0,
        };
        for option in self.options(options) {
            match option? {
                (2, text) => {
                    let text = text.split(|&octet| octet == 0).next().unwrap_or_default();
                    name = Some(String::from_utf8_lossy(text).into_owned());
                }
                (9, &[resolution, ..]) => clock.ticks_per_second = per_second(resolution)?,
                (14, &[a, b, c, d, e, f, g, h]) => {
                    let seconds = [a, b, c, d, e, f, g, h];
                    clock.seconds = if self.is_big {
                        i64::from_be_bytes(seconds)
                    } else {
                        i64::from_le_bytes(seconds)
                    };
                }
                _ => {}
            }
        }
        self.interfaces.push(Interface { link, name });
        self.clocks.push(clock);
        Ok(())
    }

    /// The enhanced packet in `block`.
    fn packet(&self, offset: u64, bytes: &mut Vec<u8>) -> Result<Head, Problem> {
        let body = self.block.as_slice();
        let short = || block_length(FRAME, "an enhanced packet with its frame needs more");
        let (head, rest) = body.split_first_chunk::<20>().ok_or_else(short)?;
        let (words, _) = head.as_chunks::<4>();
        let &[interface, high, low, captured, length] = words else {
            return Err(short());
        };
        let [interface, high, low] = [interface, high, low].map(|word| self.number(word));
        let [captured, length] = [captured, length].map(|word| self.number(word));
        check_lengths(captured, length)?;
        let place = self.first.saturating_add(interface as usize);
        let clock = self.clocks.get(place);
        let clock = clock.ok_or(Problem::Interface(interface))?;
        let frame = rest.get(..captured as usize).ok_or_else(short)?;
        bytes.clear();
        bytes.extend_from_slice(frame);
        let padded = captured.next_multiple_of(4) as usize;
        let options = rest.get(padded..).ok_or_else(short)?;
        let mut heading = None;
        let mut beside = Beside::default();
        for option in self.options(options) {
            match option? {
                (1, comment) => beside.take(comment),
                (2, &[a, b, c, d]) => {
                    heading = match self.number([a, b, c, d]) & 3 {
                        1 => Some(Heading::In),
                        2 => Some(Heading::Out),
                        _ => None,
                    };
                }
                _ => {}
            }
        }
        Ok(Head {
            offset,
            interface: place,
            wall: clock.wall(u64::from(high) << 32 | u64::from(low))?,
            length,
            heading,
            beside,
        })
    }

    /// Options as (code, value), up to the end of the block or of the list.
    fn options<'a>(
        &'a self,
        mut rest: &'a [u8],
    ) -> impl Iterator<Item = Result<(u16, &'a [u8]), Problem>> {
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let cut = || block_length(FRAME, "an option reaches over its end");
            let Some((&[c0, c1, l0, l1], behind)) = rest.split_first_chunk::<4>() else {
                rest = &[];
                return Some(Err(cut()));
            };
            let (code, length) = (self.half([c0, c1]), usize::from(self.half([l0, l1])));
            if code == 0 {
                return None;
            }
            let value = behind.get(..length);
            rest = behind.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some(value.map(|value| (code, value)).ok_or_else(cut))
        })
    }

    const fn number(&self, octets: [u8; 4]) -> u32 {
        if self.is_big {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        }
    }

    const fn half(&self, octets: [u8; 2]) -> u16 {
        if self.is_big {
            u16::from_be_bytes(octets)
        } else {
            u16::from_le_bytes(octets)
        }
    }
}

impl Clock {
    /// Nanoseconds since 1970.
    fn wall(self, ticks: u64) -> Result<u64, Problem> {
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(self.ticks_per_second);
        let nanos = nanos + i128::from(self.seconds) * 1_000_000_000;
        u64::try_from(nanos).map_err(|_| Problem::Time("a time before 1970 or after 2554"))
    }
}

/// Ticks per second of an `if_tsresol` octet.
fn per_second(resolution: u8) -> Result<u64, Problem> {
    let power = u32::from(resolution & 0x7f);
    let ticks = if resolution & 0x80 == 0 {
        10_u64.checked_pow(power)
    } else {
        1_u64.checked_shl(power)
    };
    ticks.ok_or(Problem::Time("a resolution finer than any clock's"))
}

fn check_block(length: u32, least: u32) -> Result<(), Problem> {
    if length >= least && length.is_multiple_of(4) {
        return Ok(());
    }
    Err(block_length(length, "it is too short or no multiple of 4"))
}

fn block_length(length: u32, reason: &'static str) -> Problem {
    Problem::Length {
        what: "a block",
        length: length.into(),
        reason,
    }
}
