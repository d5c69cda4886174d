//! Tells devices apart that had the same number one after the other. Pure.
//!
//! A deletion that the kernel dropped from the event queue is missed here if the number was in use
//! again before the next dump, which only happens to those who choose device numbers themselves.

use std::collections::{BTreeMap, BTreeSet};

use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::datagram::{Message, messages};
use super::device::{Device, IfIndex};

/// Counts the devices that appeared.
#[derive(Default)]
pub(super) struct Incarnations {
    last: u64,
    present: BTreeMap<IfIndex, u64>,
    deleted: BTreeSet<IfIndex>,
}

impl Incarnations {
    /// Notes the deletions among the events. A port that leaves its bridge is told as a deletion
    /// of family `AF_BRIDGE` and is none.
    pub(super) fn note(&mut self, datagram: &[u8]) {
        for (_, message) in messages(datagram) {
            if let Message::Entry { entry, .. } = message
                && let RouteNetlinkMessage::DelLink(link) = entry
                && link.header.interface_family == AddressFamily::Unspec
            {
                self.deleted.insert(IfIndex(link.header.index));
            }
        }
    }

    /// Writes the incarnation of each device: a new one if it was absent or deleted meanwhile.
    pub(super) fn tell(&mut self, devices: &mut [Device]) {
        let before = std::mem::take(&mut self.present);
        for device in devices {
            let known = before.get(&device.ifindex).copied();
            let kept = known.filter(|_| !self.deleted.contains(&device.ifindex));
            device.incarnation = kept.unwrap_or_else(|| {
                self.last += 1;
                self.last
            });
            self.present.insert(device.ifindex, device.incarnation);
        }
        self.deleted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::Kind;

    fn device(ifindex: u32) -> Device {
        Device {
            ifindex: IfIndex(ifindex),
            incarnation: 0,
            name: String::new(),
            kind: Kind::Veth,
            mtu: 1500,
            master: None,
            up: true,
            link_layer: true,
            addresses: Vec::new(),
        }
    }

    fn told(incarnations: &mut Incarnations, ifindexes: &[u32]) -> Vec<u64> {
        let mut devices: Vec<_> = ifindexes.iter().copied().map(device).collect();
        incarnations.tell(&mut devices);
        devices.iter().map(|device| device.incarnation).collect()
    }

    #[test]
    fn a_device_that_was_away_for_one_dump_is_another() {
        let mut incarnations = Incarnations::default();
        assert_eq!(told(&mut incarnations, &[2, 3]), [1, 2]);
        assert_eq!(told(&mut incarnations, &[2, 3]), [1, 2]);
        assert_eq!(told(&mut incarnations, &[3]), [2]);
        assert_eq!(told(&mut incarnations, &[2, 3]), [3, 2]);
    }
}
