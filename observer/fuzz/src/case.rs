//! A sequence of frames as bytes and back: how the observer is set, then frame by frame where it is
//! seen, what the kernel says of it, and its bytes. Any bytes are a sequence.

use std::iter;

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::parse::Framing;

/// The most frames of one sequence.
const FRAMES: usize = 48;
/// Bytes before those of a frame.
const HEAD: usize = 12;

/// How the observer is set, as bits and small numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Bits of [`has`](Self::has).
    pub(crate) switches: u8,
    /// One bit per budget that is small, and [`Self::NOTHING`].
    pub(crate) small: u8,
    /// Rate of selected round trips.
    pub(crate) rate: u8,
    /// Rooms: two bits each for biflows, outer flows and events.
    pub(crate) rooms: u8,
}

/// What is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    PortsAttached = 0,
    PathsFull = 1,
    Relays = 2,
    Nodes = 3,
    Pairs = 4,
    ProvisionalPairs = 5,
    Translations = 6,
    NoNetworks = 7,
}

impl Setting {
    /// True if something is switched on.
    pub(crate) const fn has(self, switch: Switch) -> bool {
        self.switches & (1 << switch as u8) != 0
    }

    /// With something switched on.
    pub(crate) const fn with(mut self, switch: Switch) -> Self {
        self.switches |= 1 << switch as u8;
        self
    }

    /// Small budgets are none.
    pub(crate) const NOTHING: u8 = 0x80;

    /// The limit of a budget per accounting window.
    pub(crate) const fn limit(self, budget: usize) -> u32 {
        match (self.small >> budget & 1, self.small & Self::NOTHING) {
            (0, _) => 1_000,
            (_, 0) => 1,
            (_, _) => 0,
        }
    }

    /// Bytes of a setting.
    pub(crate) const BYTES: usize = 4;

    const fn of([switches, small, rate, rooms]: [u8; Self::BYTES]) -> Self {
        Self {
            switches,
            small,
            rate,
            rooms,
        }
    }
}

/// A frame of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    /// Where it is seen.
    pub(crate) site: Site,
    /// It begins with what frames of the other points begin with.
    pub(crate) is_framed_otherwise: bool,
    /// A new epoch begins before it.
    pub(crate) opens_epoch: bool,
    /// User space has changed pairs and takes the events before it.
    pub(crate) is_read: bool,
    /// Bits 16 to 23 of the socket mark.
    pub(crate) mark: u8,
    /// Payload per segment, 0 = no aggregate.
    pub(crate) gso_size: u16,
    /// Bytes that were not captured.
    pub(crate) hidden: u16,
    /// Bytes in the linear part.
    pub(crate) linear: u16,
    /// Time since the frame before, units of 2^22 ns (4 ms): more than an hour at most.
    pub(crate) pause: u16,
    /// What was captured.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Shown<'a> {
    /// A frame at a site, all of it in the linear part.
    pub(crate) fn at(site: Site, bytes: &'a [u8]) -> Self {
        Self {
            site,
            is_framed_otherwise: false,
            opens_epoch: false,
            is_read: false,
            mark: 0,
            gso_size: 0,
            hidden: 0,
            linear: u16::MAX,
            pause: 0,
            bytes,
        }
    }

    /// The same where the first byte of a frame's head says.
    pub(crate) fn elsewhere(self, place: u8) -> Self {
        Self {
            site: Site {
                point: Point::from_index(place & 7).unwrap_or(self.site.point),
                hook: Hook::from_index(place >> 3 & 1).unwrap_or(self.site.hook),
            },
            is_framed_otherwise: place & 0x10 != 0,
            opens_epoch: place & 0x20 != 0,
            is_read: place & 0x40 != 0,
            ..self
        }
    }

    /// What it begins with.
    pub(crate) fn framing(&self) -> Framing {
        match (Framing::at(self.site.point), self.is_framed_otherwise) {
            (Framing::Ethernet, false) | (Framing::Ip, true) => Framing::Ethernet,
            (Framing::Ip, false) | (Framing::Ethernet, true) => Framing::Ip,
        }
    }

    /// Its length, captured or not, bytes.
    pub(crate) fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).map_or(u32::MAX, |captured| {
            captured.saturating_add(u32::from(self.hidden))
        })
    }

    fn read(input: &mut &'a [u8]) -> Option<Self> {
        let (head, rest) = input.split_first_chunk::<HEAD>()?;
        let [place, mark, a, b, c, d, e, f, g, h, i, j] = *head;
        let captured = usize::from(u16::from_le_bytes([e, f])).min(rest.len());
        let (bytes, rest) = rest.split_at(captured);
        *input = rest;
        let anywhere = Site {
            point: Point::Port,
            hook: Hook::Ingress,
        };
        let shown = Self {
            mark,
            gso_size: u16::from_le_bytes([a, b]),
            hidden: u16::from_le_bytes([c, d]),
            linear: u16::from_le_bytes([g, h]),
            pause: u16::from_le_bytes([i, j]),
            ..Self::at(anywhere, bytes)
        };
        Some(shown.elsewhere(place))
    }

    fn write(&self, output: &mut Vec<u8>) {
        let captured = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        let place = self.site.point as u8
            | (self.site.hook as u8) << 3
            | u8::from(self.is_framed_otherwise) << 4
            | u8::from(self.opens_epoch) << 5
            | u8::from(self.is_read) << 6;
        output.extend([place, self.mark]);
        for word in [
            self.gso_size,
            self.hidden,
            captured,
            self.linear,
            self.pause,
        ] {
            output.extend(word.to_le_bytes());
        }
        output.extend(&self.bytes[..usize::from(captured)]);
    }
}

/// The sequence that bytes stand for.
pub(crate) fn read(input: &[u8]) -> (Setting, impl Iterator<Item = Shown<'_>>) {
    let (setting, mut rest) = match input.split_first_chunk::<{ Setting::BYTES }>() {
        Some((head, rest)) => (Setting::of(*head), rest),
        None => (Setting::default(), input),
    };
    let frames = iter::from_fn(move || Shown::read(&mut rest));
    (setting, frames.take(FRAMES))
}

/// The bytes of a sequence.
pub(crate) fn write(setting: Setting, frames: &[Shown<'_>]) -> Vec<u8> {
    let Setting {
        switches,
        small,
        rate,
        rooms,
    } = setting;
    let mut output = vec![switches, small, rate, rooms];
    for frame in frames {
        frame.write(&mut output);
    }
    output
}
