//! Where a captured frame was seen: device, hook, and what it begins with. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::parse::Framing;

use super::cooked::Cooked;
use crate::interfaces::{IfIndex, Kind, Roles};
use crate::record::capture::{Heading, LinkType};
use crate::record::{Frame, Link};

/// The node's devices by number and name, with their points.
pub(super) struct Places<'a> {
    numbers: HashMap<IfIndex, &'a Link>,
    names: HashMap<&'a str, &'a Link>,
    points: HashMap<IfIndex, Point>,
    own: Vec<IpAddr>,
    pods: Vec<&'a Link>,
}

/// Says where a frame at a device went, by its bytes.
type Deduce = fn(&Places<'_>, &Link, &[u8]) -> Option<Heading>;

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
    /// Its cooked header does not say the device, and neither does its file.
    NotSaid,
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
            names: names(links, roles),
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
        let (framing, deduce): (_, Deduce) = match frame.interface.link {
            LinkType::LinuxSll | LinkType::LinuxSll2 => return self.cooked(frame, told, room),
            LinkType::Ethernet => (Framing::Ethernet, |places, link, bytes| {
                places.by_mac(link, bytes)
            }),
            LinkType::Raw => (Framing::Ip, |places, _, bytes| places.by_address(bytes)),
        };
        let link = self.named(frame).ok_or(Unplaced::NoDevice)?;
        let point = self.point(link.device.ifindex)?;
        let heading = told.or_else(|| deduce(self, link, frame.bytes));
        Ok(Placed {
            site: site(point, heading.ok_or(Unplaced::NoDirection)?),
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
        let cooked = Cooked::split(frame.interface.link, frame.bytes).ok_or(Unplaced::Short)?;
        let number = match cooked.ifindex {
            Some(number) => number,
            None => self.named(frame).ok_or(Unplaced::NotSaid)?.device.ifindex,
        };
        let point = self.point(number)?;
        cooked.write_as_ethernet(room);
        Ok(Placed {
            site: site(point, told.unwrap_or(cooked.heading)),
            framing: Framing::Ethernet,
            bytes: room,
            // Never less than nothing: what was captured was on the wire, and is longer than the header.
            length: frame.head.length.saturating_sub(cooked.shrinks_by),
        })
    }

    /// The device that the frame's interface, else its file, is named after.
    fn named(&self, frame: &Frame<'_>) -> Option<&'a Link> {
        self.names.get(frame.device()).copied()
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

/// Devices by name; of two with one name, of which one is gone, the one that is observed.
fn names<'a>(links: &'a [Link], roles: &Roles) -> HashMap<&'a str, &'a Link> {
    let is_observed = |link: &Link| {
        let mut places = roles.attachments.iter();
        places.any(|place| place.ifindex == link.device.ifindex)
    };
    let mut names = HashMap::new();
    for link in links {
        let named = names.entry(link.device.name.as_str()).or_insert(link);
        if is_observed(link) && !is_observed(named) {
            *named = link;
        }
    }
    names
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
