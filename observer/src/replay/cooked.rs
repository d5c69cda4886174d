//! Cooked headers: what `tcpdump -i any` puts where a frame's own link layer stood. Pure.

use crate::interfaces::IfIndex;
use crate::record::capture::{Heading, LinkType};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes of a header of the first version: packet type, hardware type, length of the address, address,
/// protocol (`tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html`).
const FIRST: usize = 16;
/// Of the second: protocol, reserved, interface index, hardware type, packet type, length of the address,
/// address (`tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html`).
const SECOND: usize = 20;
/// Packet type of what the host sends.
const OUTGOING: u8 = 4;

/// A frame with a cooked header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cooked<'a> {
    /// Its device, where the header says it.
    pub(super) ifindex: Option<IfIndex>,
    /// Where it went.
    pub(super) heading: Heading,
    /// Bytes that it gets shorter with an Ethernet header instead.
    pub(super) shrinks_by: u32,
    protocol: [u8; 2],
    packet: &'a [u8],
}

impl<'a> Cooked<'a> {
    /// Takes a frame apart; `None` of one that is shorter than its header, or not cooked.
    pub(super) fn split(link: LinkType, bytes: &'a [u8]) -> Option<Self> {
        match link {
            LinkType::LinuxSll => {
                let (&[_, kind, .., p0, p1], packet) = bytes.split_first_chunk::<FIRST>()?;
                Some(Self {
                    ifindex: None,
                    heading: heading(kind),
                    shrinks_by: 2,
                    protocol: [p0, p1],
                    packet,
                })
            }
            LinkType::LinuxSll2 => {
                let (header, packet) = bytes.split_first_chunk::<SECOND>()?;
                let [p0, p1, _, _, i0, i1, i2, i3, _, _, kind, ..] = *header;
                Some(Self {
                    ifindex: Some(IfIndex(u32::from_be_bytes([i0, i1, i2, i3]))),
                    heading: heading(kind),
                    shrinks_by: 6,
                    protocol: [p0, p1],
                    packet,
                })
            }
            LinkType::Ethernet | LinkType::Raw => None,
        }
    }

    /// The frame with an Ethernet header of the same protocol, in place of what `room` held.
    pub(super) fn write_as_ethernet(&self, room: &mut Vec<u8>) {
        room.clear();
        room.extend_from_slice(&[0; ETHERNET - 2]);
        room.extend_from_slice(&self.protocol);
        room.extend_from_slice(self.packet);
    }
}

const fn heading(kind: u8) -> Heading {
    if kind == OUTGOING {
        Heading::Out
    } else {
        Heading::In
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_shrinks_by_what_its_header_is_longer_than_that_of_ethernet() {
        for (link, length) in [(LinkType::LinuxSll, FIRST), (LinkType::LinuxSll2, SECOND)] {
            let bytes = vec![7; length + 3];
            let cooked = Cooked::split(link, &bytes).expect("a frame");
            let mut room = vec![1; 99];
            cooked.write_as_ethernet(&mut room);
            assert_eq!(bytes.len() - room.len(), cooked.shrinks_by as usize);
            assert_eq!(Cooked::split(link, &bytes[..length - 1]), None);
        }
    }
}
