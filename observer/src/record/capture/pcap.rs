//! pcap files (draft-ietf-opsawg-pcap, sections 4 and 5).

use std::io::Read;

use super::source::Source;
use super::{Beside, CaptureError, Head, Interface, LinkType, Problem, check_lengths};

const NANOS: u64 = 1_000_000_000;

/// What the header of the file says.
#[derive(Debug)]
pub(super) struct File {
    number: fn([u8; 4]) -> u32,
    /// Nanoseconds per unit of a record's fraction of a second.
    unit: u64,
    interface: Interface,
}

impl File {
    /// Reads the rest of the header.
    pub(super) fn open<R: Read>(
        source: &mut Source<R>,
        magic: [u8; 4],
    ) -> Result<Self, CaptureError> {
        let little: fn([u8; 4]) -> u32 = u32::from_le_bytes;
        let big: fn([u8; 4]) -> u32 = u32::from_be_bytes;
        let (number, unit) = match u32::from_be_bytes(magic) {
            0xa1b2_c3d4 => (big, 1_000),
            0xa1b2_3c4d => (big, 1),
            0xd4c3_b2a1 => (little, 1_000),
            0x4d3c_b2a1 => (little, 1),
            other => return Err(Problem::Magic(other).at(0)),
        };
        let [m0, m1, ..] = source.array::<4>("the header of the file")?;
        let major = if number([0, 0, 0, 1]) == 1 {
            u16::from_be_bytes([m0, m1])
        } else {
            u16::from_le_bytes([m0, m1])
        };
        if major != 2 {
            let version = Problem::Version {
                format: "pcap",
                version: major,
            };
            return Err(version.at(4));
        }
        let _zone_accuracy_and_limit = source.array::<12>("the header of the file")?;
        let offset = source.offset();
        // The upper half tells of a frame check sequence, which no length within the frame counts.
        let [.., high, low] = number(source.array("the header of the file")?).to_be_bytes();
        let link = LinkType::of(u16::from_be_bytes([high, low]));
        Ok(Self {
            number,
            unit,
            interface: Interface {
                link: link.map_err(|problem| problem.at(offset))?,
                name: None,
            },
        })
    }

    pub(super) const fn interface(&self) -> &Interface {
        &self.interface
    }

    pub(super) fn next<R: Read>(
        &mut self,
        source: &mut Source<R>,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Head>, CaptureError> {
        let offset = source.offset();
        let Some(seconds) = source.array_or_end("the header of a frame")? else {
            return Ok(None);
        };
        let seconds = u64::from((self.number)(seconds));
        let mut next = || Ok((self.number)(source.array("the header of a frame")?));
        let (fraction, captured, length) = (next()?, next()?, next()?);
        let fraction = u64::from(fraction) * self.unit;
        if fraction >= NANOS {
            return Err(Problem::Time("the fraction of a second is a second or more").at(offset));
        }
        check_lengths(captured, length).map_err(|problem| problem.at(offset))?;
        source.take(captured, bytes, "a frame")?;
        Ok(Some(Head {
            offset,
            interface: 0,
            wall: seconds * NANOS + fraction,
            length,
            heading: None,
            beside: Beside::default(),
        }))
    }
}
