//! Writes a pcapng file (draft-ietf-opsawg-pcapng, section 4): one section, an interface description per
//! device before its first frame, enhanced packets with direction. What the kernel knows of a frame beside
//! its bytes stands in its comment, as `gso_size=1348 mark=0x80000`, where any tool shows it.
//!
//! Never: a header read, a socket.

use std::collections::HashMap;
use std::io::{self, Write};

use super::tap::{SNAP_LENGTH, Taken};
use crate::record::capture::{Heading, LinkType};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Options of all blocks, of an interface and of a packet.
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const FLAGS: u16 = 2;
/// Bytes around a block's body.
const FRAME: usize = 12;
/// Where a tag stands in a frame: behind both hardware addresses.
const ADDRESSES: usize = 12;
const TAG: u32 = 4;

/// An open file.
pub(super) struct Packets<W> {
    out: W,
    numbers: HashMap<u32, Option<u32>>,
    described: u32,
    block: Vec<u8>,
    most: u64,
    written: u64,
    counts: Counts,
}

/// What became of the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) kept: u64,
    /// The file had its full length.
    pub(super) beyond: u64,
    /// Their devices have a link layer without a reader, or were gone before their names were known.
    pub(super) no_reader: u64,
}

impl<W: Write> Packets<W> {
    /// Begins a file of at most `most` bytes.
    pub(super) fn begin(out: W, most: u64) -> io::Result<Self> {
        let mut packets = Self {
            out,
            numbers: HashMap::new(),
            described: 0,
            block: Vec::new(),
            most,
            written: 0,
            counts: Counts::default(),
        };
        packets.block.extend(0x1a2b_3c4d_u32.to_le_bytes());
        packets.block.extend([1, 0, 0, 0]);
        packets.block.extend([0xff; 8]);
        packets.end_block(SECTION)?;
        Ok(packets)
    }

    /// Adds a frame; `name` is asked for the name of a device that was not met before.
    pub(super) fn add(
        &mut self,
        frame: &Taken<'_>,
        name: impl FnOnce(u32) -> Option<String>,
    ) -> io::Result<()> {
        if self.written >= self.most {
            self.counts.beyond += 1;
            return Ok(());
        }
        let number = match self.numbers.get(&frame.ifindex) {
            Some(&known) => known,
            None => self.describe(frame, name)?,
        };
        let Some(number) = number else {
            self.counts.no_reader += 1;
            return Ok(());
        };
        self.counts.kept += 1;
        self.packet(number, frame)
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> io::Result<Counts> {
        self.out.flush()?;
        Ok(self.counts)
    }

    fn describe(
        &mut self,
        frame: &Taken<'_>,
        name: impl FnOnce(u32) -> Option<String>,
    ) -> io::Result<Option<u32>> {
        let link = LinkType::of_hardware(frame.hardware);
        let number = match link.zip(name(frame.ifindex)) {
            Some((link, name)) => {
                self.block.extend(link.number().to_le_bytes());
                self.block.extend([0; 2]);
                self.block.extend(longest(link).to_le_bytes());
                self.option(NAME, name.as_bytes());
                self.option(RESOLUTION, &[9]);
                self.end_block(INTERFACE)?;
                self.described += 1;
                Some(self.described - 1)
            }
            None => None,
        };
        self.numbers.insert(frame.ifindex, number);
        Ok(number)
    }

    fn packet(&mut self, number: u32, frame: &Taken<'_>) -> io::Result<()> {
        let tag = frame.tag.filter(|_| frame.bytes.len() >= ADDRESSES);
        let tag = tag.map_or(Vec::new(), |tag| tag.map(u16::to_be_bytes).concat());
        let (addresses, rest) = frame.bytes.split_at(tag.len().min(1) * ADDRESSES);
        let added = u32::try_from(tag.len()).unwrap_or_default();
        let captured = u32::try_from(frame.bytes.len()).map_err(io::Error::other)? + added;
        let length = (frame.length + added).max(captured);
        let [high, low] = [frame.wall >> 32, frame.wall & 0xffff_ffff];
        #[expect(clippy::cast_possible_truncation, reason = "halves of 64 bits")]
        let words = [number, high as u32, low as u32, captured, length];
        self.block.extend(words.map(u32::to_le_bytes).concat());
        for part in [addresses, &tag, rest] {
            self.block.extend_from_slice(part);
        }
        self.pad();
        let heading: u32 = match frame.heading {
            Heading::In => 1,
            Heading::Out => 2,
        };
        self.option(FLAGS, &heading.to_le_bytes());
        if let Some(comment) = frame.beside.comment() {
            self.option(COMMENT, comment.as_bytes());
        }
        self.end_block(ENHANCED_PACKET)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let length = value.len().min(usize::from(u16::MAX));
        let (value, _) = value.split_at(length);
        self.block.extend(code.to_le_bytes());
        self.block
            .extend(u16::try_from(length).unwrap_or_default().to_le_bytes());
        self.block.extend_from_slice(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn end_block(&mut self, kind: u32) -> io::Result<()> {
        let length = u32::try_from(self.block.len() + FRAME).map_err(io::Error::other)?;
        let [kind, length] = [kind, length].map(u32::to_le_bytes);
        for part in [&kind[..], &length, &self.block, &length] {
            self.out.write_all(part)?;
        }
        self.written += u64::from(u32::from_le_bytes(length));
        self.block.clear();
        Ok(())
    }
}

/// The most bytes of a frame of a device; 0, as the format has it, where there is no limit: aggregates
/// without a link header are kept whole.
const fn longest(link: LinkType) -> u32 {
    match link {
        LinkType::Ethernet => SNAP_LENGTH + TAG,
        LinkType::Raw | LinkType::LinuxSll | LinkType::LinuxSll2 => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::capture::{Beside, Capture, Interface};

    const ETHER: u16 = 1;
    const NONE: u16 = 0xfffe;

    fn frame(ifindex: u32, hardware: u16, bytes: &[u8]) -> Taken<'_> {
        Taken {
            ifindex,
            hardware,
            heading: Heading::Out,
            wall: 1_700_000_000_123_456_789,
            length: 1_400,
            bytes,
            tag: None,
            beside: Beside::default(),
        }
    }

    fn written(frames: &[Taken<'_>], most: u64) -> (Vec<u8>, Counts) {
        let mut file = Vec::new();
        let mut packets = Packets::begin(&mut file, most).expect("a file");
        let name = |ifindex| (ifindex < 9).then(|| format!("dev{ifindex}"));
        for frame in frames {
            packets.add(frame, name).expect("a frame");
        }
        let counts = packets.finish().expect("its end");
        (file, counts)
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let bytes: Vec<u8> = (0..60).collect();
        let beside = Beside {
            gso_size: 1_348,
            mark: 0x8_0000,
        };
        let marked = Taken {
            heading: Heading::In,
            beside,
            ..frame(5, NONE, &bytes[..41])
        };
        let tagged = Taken {
            tag: Some([0x88a8, 0x2007]),
            ..frame(2, ETHER, &bytes)
        };
        let (file, counts) = written(&[frame(2, ETHER, &bytes), marked, tagged], u64::MAX);
        assert_eq!(counts.kept, 3);
        let mut capture = Capture::open(&file[..]).expect("a capture");
        let mut room = Vec::new();
        let mut next = || {
            let head = capture.take(&mut room).expect("a frame").expect("a frame");
            let interface: Interface = capture.interfaces()[head.interface].clone();
            (head, interface, room.clone())
        };
        let (head, interface, read) = next();
        assert_eq!(read, bytes);
        assert_eq!((head.wall, head.length), (1_700_000_000_123_456_789, 1_400));
        assert_eq!(head.heading, Some(Heading::Out));
        assert_eq!(head.beside, Beside::default());
        assert_eq!(interface.name.as_deref(), Some("dev2"));
        assert_eq!(interface.link, LinkType::Ethernet);
        let (head, interface, read) = next();
        assert_eq!((read.as_slice(), head.beside), (&bytes[..41], beside));
        assert_eq!(head.heading, Some(Heading::In));
        assert_eq!(interface.link, LinkType::Raw);
        let (head, _, read) = next();
        assert_eq!(read[..12], bytes[..12]);
        assert_eq!(read[12..16], [0x88, 0xa8, 0x20, 0x07]);
        assert_eq!((&read[16..], head.length), (&bytes[12..], 1_404));
    }

    #[test]
    fn no_frame_is_longer_than_its_interface_says() {
        let bytes = vec![0x45; 4_000];
        let tagged = Taken {
            tag: Some([0x8100, 7]),
            ..frame(2, ETHER, &bytes[..SNAP_LENGTH as usize])
        };
        let (file, _) = written(&[tagged, frame(5, NONE, &bytes)], u64::MAX);
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("a word"));
        let (mut at, mut limits, mut lengths) = (0, Vec::new(), Vec::new());
        while at < file.len() {
            match word(at) {
                INTERFACE => limits.push(word(at + 12)),
                ENHANCED_PACKET => lengths.push(word(at + 20)),
                _ => {}
            }
            at += word(at + 4) as usize;
        }
        assert_eq!(lengths, [SNAP_LENGTH + TAG, 4_000]);
        assert_eq!(limits, [SNAP_LENGTH + TAG, 0]);
    }

    #[test]
    fn what_is_not_written_is_counted() {
        let bytes = [0; 60];
        let (file, counts) = written(
            &[
                frame(2, ETHER, &bytes),
                frame(3, 778, &bytes),
                frame(9, ETHER, &bytes),
            ],
            u64::MAX,
        );
        assert_eq!((counts.kept, counts.no_reader), (1, 2));
        let room = file.len() as u64;
        let many: Vec<_> = (0..10).map(|_| frame(2, ETHER, &bytes)).collect();
        let (longer, counts) = written(&many, 2 * room);
        assert!(counts.beyond > 0 && counts.kept + counts.beyond == 10);
        assert!(longer.len() as u64 <= 3 * room);
    }
}
