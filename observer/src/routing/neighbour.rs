//! Neighbours of a device (address to MAC) and forwarding entries of a VXLAN device (MAC to VTEP).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Routing;
use super::question::family;
use crate::interfaces::netlink::{Question, unreadable};
use crate::interfaces::{IfIndex, NetlinkError};

/// A link-layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An entry of a device's neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC, if that is known.
    pub mac: Option<Mac>,
    /// How well it is known.
    pub state: NeighbourState,
}

/// How well a neighbour is known (`NUD_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeighbourState {
    /// Written by somebody and never checked, as flannel does.
    Permanent,
    /// Learned: reachable, stale, or being checked.
    Learned,
    /// Needs no address resolution.
    NoArp,
    /// No answer yet, or none at all.
    Unresolved,
}

/// An entry of a VXLAN device's forwarding database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdbEntry {
    /// Destination of the inner frame.
    pub mac: Mac,
    /// Destination of the outer packet.
    pub vtep: IpAddr,
    /// UDP destination port, if it differs from the device's.
    pub port: Option<u16>,
    /// The device that the outer packet is bound to. Flannel sets none: then the usual rules
    /// route it, whatever the device's lower link is.
    pub output: Option<IfIndex>,
}

impl Routing {
    /// The neighbour of `device` with this address.
    pub fn neighbour(
        &mut self,
        device: IfIndex,
        address: IpAddr,
    ) -> Result<Option<Neighbour>, NetlinkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = device.0;
        let wanted = NeighbourAttribute::Destination(address.into());
        message.attributes.push(wanted);
        let what = format!("neighbour {address} of device {device}");
        Ok(self.entry(&what, message)?.as_ref().and_then(neighbour))
    }

    /// All neighbours of `device`.
    pub fn neighbours(&mut self, device: IfIndex) -> Result<Vec<Neighbour>, NetlinkError> {
        let mut message = NeighbourMessage::default();
        message
            .attributes
            .push(NeighbourAttribute::IfIndex(device.0));
        let what = format!("neighbours of device {device}");
        self.entries(&what, message, neighbour)
    }

    /// The forwarding entry of VXLAN device `device` for this MAC.
    pub fn fdb_entry(
        &mut self,
        device: IfIndex,
        mac: Mac,
    ) -> Result<Option<FdbEntry>, NetlinkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.flags = NeighbourFlags::Own;
        message.header.ifindex = device.0;
        let wanted = NeighbourAttribute::LinkLayerAddress(mac.0.to_vec());
        message.attributes.push(wanted);
        let what = format!("forwarding entry {mac} of device {device}");
        Ok(self.entry(&what, message)?.as_ref().and_then(fdb_entry))
    }

    /// The forwarding database of VXLAN device `device`.
    pub fn fdb(&mut self, device: IfIndex) -> Result<Vec<FdbEntry>, NetlinkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = device.0;
        let what = format!("forwarding entries of device {device}");
        self.entries(&what, message, fdb_entry)
    }

    /// One entry; `None` if the kernel has none, or has no such device.
    fn entry(
        &mut self,
        what: &str,
        message: NeighbourMessage,
    ) -> Result<Option<NeighbourMessage>, NetlinkError> {
        match self.netlink.one(what, Question::Neighbour(message))? {
            Ok(RouteNetlinkMessage::NewNeighbour(entry)) => Ok(Some(entry)),
            Ok(_) => Err(unreadable(what, "no neighbour in it")),
            Err(cause) if is_absence(&cause) => Ok(None),
            Err(cause) => Err(NetlinkError::Ask {
                what: what.to_owned(),
                cause,
            }),
        }
    }

    /// All entries that the kernel finds for `message`; a strict socket has it pick the device.
    fn entries<T>(
        &mut self,
        what: &str,
        message: NeighbourMessage,
        read: impl Fn(&NeighbourMessage) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let entries = match self.all(what, &Question::Neighbour(message)) {
            Err(NetlinkError::Ask { cause, .. }) if is_absence(&cause) => Vec::new(),
            answered => answered?,
        };
        let found = entries.into_iter().filter_map(|entry| {
            if let RouteNetlinkMessage::NewNeighbour(entry) = entry {
                read(&entry)
            } else {
                None
            }
        });
        Ok(found.collect())
    }
}

/// True if there is no such entry, or no such device any more.
fn is_absence(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

fn neighbour(entry: &NeighbourMessage) -> Option<Neighbour> {
    Some(Neighbour {
        address: entry.attributes.iter().find_map(destination)?,
        mac: entry.attributes.iter().find_map(mac),
        state: match entry.header.state.into() {
            libc::NUD_PERMANENT => NeighbourState::Permanent,
            libc::NUD_REACHABLE | libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE => {
                NeighbourState::Learned
            }
            libc::NUD_NOARP => NeighbourState::NoArp,
            _ => NeighbourState::Unresolved,
        },
    })
}

fn fdb_entry(entry: &NeighbourMessage) -> Option<FdbEntry> {
    let mut found = FdbEntry {
        mac: entry.attributes.iter().find_map(mac)?,
        vtep: entry.attributes.iter().find_map(destination)?,
        port: None,
        output: None,
    };
    for attribute in &entry.attributes {
        if let NeighbourAttribute::Port(port) = attribute {
            found.port = Some(*port);
        } else if let NeighbourAttribute::IfIndex(output) = attribute {
            found.output = Some(IfIndex(*output));
        }
    }
    Some(found)
}

/// The address in `NDA_DST`. In forwarding entries its length alone tells the family.
fn destination(attribute: &NeighbourAttribute) -> Option<IpAddr> {
    let NeighbourAttribute::Destination(address) = attribute else {
        return None;
    };
    if let NeighbourAddress::Inet(address) = address {
        Some(IpAddr::V4(*address))
    } else if let NeighbourAddress::Inet6(address) = address {
        Some(IpAddr::V6(*address))
    } else if let NeighbourAddress::Other(bytes) = address {
        let ipv4 = <[u8; 4]>::try_from(bytes.as_slice()).map(Ipv4Addr::from);
        let ipv6 = <[u8; 16]>::try_from(bytes.as_slice()).map(Ipv6Addr::from);
        ipv4.map(IpAddr::V4).or(ipv6.map(IpAddr::V6)).ok()
    } else {
        None
    }
}

fn mac(attribute: &NeighbourAttribute) -> Option<Mac> {
    if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute {
        Some(Mac(bytes.as_slice().try_into().ok()?))
    } else {
        None
    }
}
