//! Where a captured frame was seen: device, hook, and what it begins with. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::parse::Framing;

use crate::interfaces::{IfIndex, Kind, Roles};
use crate::record::capture::{Heading, LinkType};
use crate::record::{Frame, Link};

const ETHERNET: usize = 14;
/// Bytes of a cooked header: protocol, reserved, interface index, hardware type, packet type, length
/// of the address, address (`tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html`).
const COOKED: usize = 20;
/// Bytes that a frame gets shorter with an Ethernet header instead.
const SHRUNK: u32 = 6;
const _: () = assert!(COOKED == ETHERNET + SHRUNK as usize);
/// Packet type of what the host sends.
const OUTGOING: u8 = 4;

/// The node's devices by number and name, with their points.
pub(super) struct Places<'a> {
    numbers: HashMap<IfIndex, &'a Link>,
    names: HashMap<&'a str, &'a Link>,
    points: HashMap<IfIndex, Point>,
    own: Vec<IpAddr>,
    pods: Vec<&'a Link>,
}

/// A frame as the step takes it.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) site: Site,
    pub(super) framing: Framing,
    pub(super) bytes: &'a [u8],
    pub(super) length: u32,
}

/// Why a frame is not shown to the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unplaced {
    /// Its device is no observation point.
    NoPoint,
    /// Nothing says whether it came or went.
    NoDirection,
    /// No device of the bundle has its interface's name.
    NoDevice,
    /// It is shorter than its cooked header.
    Short,
}

impl<'a> Places<'a> {
    pub(super) fn new(links: &'a [Link], roles: &Roles) -> Self {
        let addresses = |link: &Link| {
            let held = link.device.addresses.iter();
            held.map(|own| own.address()).collect::<Vec<_>>()
        };
        let places = roles.attachments.iter();
        Self {
            numbers: links
                .iter()
                .map(|link| (link.device.ifindex, link))
                .collect(),
            names: links
                .iter()
                .map(|link| (link.device.name.as_str(), link))
                .collect(),
            points: places.map(|place| (place.ifindex, place.point)).collect(),
            own: links.iter().flat_map(addresses).collect(),
            pods: links
                .iter()
                .filter(|link| link.device.kind == Kind::Bridge)
                .collect(),
        }
    }

    /// The place of a frame. `room` holds the frame if it has to be written anew.
    pub(super) fn of<'b>(
        &self,
        frame: &Frame<'b>,
        room: &'b mut Vec<u8>,
    ) -> Result<Placed<'b>, Unplaced> {
        let told = frame.head.heading.or(frame.file.heading);
        if frame.interface.link == LinkType::LinuxSll2 {
            return self.cooked(frame, told, room);
        }
        let name = frame.interface.name.as_deref();
        let name = name.unwrap_or(&frame.file.interface);
        let link = *self.names.get(name).ok_or(Unplaced::NoDevice)?;
        let point = self.point(link.device.ifindex)?;
        let (framing, deduced) = match frame.interface.link {
            LinkType::Ethernet => (Framing::Ethernet, self.by_mac(link, frame.bytes)),
            LinkType::Raw | LinkType::LinuxSll2 => (Framing::Ip, self.by_address(frame.bytes)),
        };
        let heading = told.or(deduced).ok_or(Unplaced::NoDirection)?;
        Ok(Placed {
            site: site(point, heading),
            framing,
            bytes: frame.bytes,
            length: frame.head.length,
        })
    }

    /// The cooked header makes room for an Ethernet header with the same protocol.
    fn cooked<'b>(
        &self,
        frame: &Frame<'b>,
        told: Option<Heading>,
        room: &'b mut Vec<u8>,
    ) -> Result<Placed<'b>, Unplaced> {
        let (header, packet) = frame
            .bytes
            .split_first_chunk::<COOKED>()
            .ok_or(Unplaced::Short)?;
        let [p0, p1, _, _, i0, i1, i2, i3, _, _, kind, ..] = *header;
        let point = self.point(IfIndex(u32::from_be_bytes([i0, i1, i2, i3])))?;
        let heading = told.unwrap_or(if kind == OUTGOING {
            Heading::Out
        } else {
            Heading::In
        });
        room.clear();
        room.extend_from_slice(&[0; ETHERNET - 2]);
        room.extend_from_slice(&[p0, p1]);
        room.extend_from_slice(packet);
        Ok(Placed {
            site: site(point, heading),
            framing: Framing::Ethernet,
            bytes: room,
            // Never less than nothing: what was captured was on the wire, and is longer than the header.
            length: frame.head.length.saturating_sub(SHRUNK),
        })
    }

    fn point(&self, ifindex: IfIndex) -> Result<Point, Unplaced> {
        self.points.get(&ifindex).copied().ok_or(Unplaced::NoPoint)
    }

    /// By the hardware addresses of the device, and at a port by those of its bridge.
    fn by_mac(&self, link: &Link, bytes: &[u8]) -> Option<Heading> {
        let (destination, rest) = bytes.split_first_chunk::<6>()?;
        let source = rest.first_chunk::<6>()?;
        let master = link
            .device
            .master
            .and_then(|master| self.numbers.get(&master));
        let mac = master.map_or(link.mac, |master| master.mac)?;
        let is_to_many = destination.first().is_some_and(|first| first & 1 == 1);
        if *source == mac {
            Some(Heading::Out)
        } else if *destination == mac || (is_to_many && master.is_none()) {
            Some(Heading::In)
        } else {
            None
        }
    }

    /// By the node's own addresses and those of its pods.
    fn by_address(&self, bytes: &[u8]) -> Option<Heading> {
        let (source, destination) = ends(bytes)?;
        match (self.is_here(source), self.is_here(destination)) {
            (true, false) => Some(Heading::Out),
            (false, true) => Some(Heading::In),
            (true, true) | (false, false) => None,
        }
    }

    fn is_here(&self, address: IpAddr) -> bool {
        let is_pods = |link: &&Link| {
            let mut held = link.device.addresses.iter();
            held.any(|own| !own.is_link_local() && own.contains(address))
        };
        self.own.contains(&address) || self.pods.iter().any(is_pods)
    }
}

const fn site(point: Point, heading: Heading) -> Site {
    let hook = match heading {
        Heading::In => Hook::Ingress,
        Heading::Out => Hook::Egress,
    };
    Site { point, hook }
}

/// Source and destination of an IP header.
fn ends(bytes: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match bytes.first()? >> 4 {
        4 => {
            let (source, rest) = bytes.get(12..)?.split_first_chunk::<4>()?;
            Some(((*source).into(), (*rest.first_chunk::<4>()?).into()))
        }
        6 => {
            let (source, rest) = bytes.get(8..)?.split_first_chunk::<16>()?;
            Some(((*source).into(), (*rest.first_chunk::<16>()?).into()))
        }
        _ => None,
    }
}
