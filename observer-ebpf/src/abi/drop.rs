//! Packets that the kernel dropped for their size: what to take (written by the agent), and the counts
//! by place, device and path.
//!
//! Never: a number of one kernel version. Reasons, offsets and addresses are the agent's to find out.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Entries of `drops`.
pub const DROPS: u32 = 1_024;
/// Stretches of kernel code that [`DropRules`] has room for.
pub const STRETCHES: usize = 16;

/// Where in the kernel a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Place {
    /// Forwarding IPv4; the sender is told.
    IpForward = 0,
    /// Forwarding IPv6; the sender is told.
    Ip6Forward = 1,
    /// Before a port of a bridge that is too narrow; silent.
    BridgePort = 2,
    /// In `br_netfilter`, before a port that is too narrow; silent.
    BridgeNetfilter = 3,
    /// From a veth of another namespace (a pod) to its peer in this one, which is too narrow; silent.
    VethToNode = 4,
    /// From a veth of this namespace to its peer in another one (a pod), which is too narrow; silent.
    VethToPod = 5,
    /// Elsewhere, with the reason that says so.
    Other = 6,
}

impl Place {
    /// All places, in order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::IpForward,
        Self::Ip6Forward,
        Self::BridgePort,
        Self::BridgeNetfilter,
        Self::VethToNode,
        Self::VethToPod,
        Self::Other,
    ];

    /// The place with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::IpForward,
            1 => Self::Ip6Forward,
            2 => Self::BridgePort,
            3 => Self::BridgeNetfilter,
            4 => Self::VethToNode,
            5 => Self::VethToPod,
            6 => Self::Other,
            _ => return None,
        })
    }

    /// True if nobody is told, by reason or by ICMP.
    #[inline(always)]
    #[must_use]
    pub const fn is_silent(self) -> bool {
        match self {
            Self::BridgePort | Self::BridgeNetfilter | Self::VethToNode | Self::VethToPod => true,
            Self::IpForward | Self::Ip6Forward | Self::Other => false,
        }
    }
}

/// Instructions of one function, or a part of one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stretch {
    /// Address of the first one.
    pub start: u64,
    /// Bytes; 0 = no stretch.
    pub length: u32,
    /// The [`Place`] that it is; of both ways through a veth [`Place::VethToNode`].
    pub place: u32,
}

impl Stretch {
    /// True if a call from here returns to `location`: behind the first byte, and perhaps right behind
    /// the last one.
    #[inline(always)]
    #[must_use]
    pub const fn holds(&self, location: u64) -> bool {
        location.wrapping_sub(self.start).wrapping_sub(1) < self.length as u64
    }
}

/// The single entry of `drop_rules`: zeroes, which take nothing, until the agent writes it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DropRules {
    /// Code that drops packets for their size.
    pub stretches: [Stretch; STRETCHES],
    /// Number of the reason that says so; 0 = none.
    pub too_big: u32,
    /// Number of the reason that says nothing; 0 = none.
    pub unspecified: u32,
    /// Inode number of the agent's network namespace.
    pub netns: u32,
    /// Where the fields are.
    pub offsets: Offsets,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<DropRules>() == STRETCHES * 16 + 88);

/// Offsets of fields in the kernel's structures, bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Offsets {
    /// `sk_buff.len`, u32.
    pub skb_len: u32,
    /// `sk_buff.data_len`, u32.
    pub skb_data_len: u32,
    /// `sk_buff.data`, pointer.
    pub skb_data: u32,
    /// `sk_buff.head`, pointer.
    pub skb_head: u32,
    /// `sk_buff.network_header`, u16: offset of the IP header from the head.
    pub skb_network: u32,
    /// `sk_buff.end`, u32: offset of `skb_shared_info` from the head.
    pub skb_end: u32,
    /// `sk_buff.dev`, pointer.
    pub skb_dev: u32,
    /// `sk_buff._skb_refdst`, pointer with a flag in its lowest bit.
    pub skb_dst: u32,
    /// `skb_shared_info.gso_size`, u16.
    pub gso_size: u32,
    /// `dst_entry.dev`, pointer.
    pub dst_dev: u32,
    /// `net_device.ifindex`, u32.
    pub dev_ifindex: u32,
    /// `net_device.mtu`, u32.
    pub dev_mtu: u32,
    /// `net_device.hard_header_len`, u16.
    pub dev_header: u32,
    /// `net_device.nd_net.net`, pointer.
    pub dev_net: u32,
    /// `net_device.rtnl_link_ops`, pointer.
    pub dev_ops: u32,
    /// The driver's own part of a `net_device`; of a veth it begins with the pointer to its peer.
    pub dev_private: u32,
    /// `rtnl_link_ops.kind`, pointer to a string.
    pub ops_kind: u32,
    /// `net.ns.inum`, u32.
    pub net_inode: u32,
}

impl DropRules {
    /// Where a packet was dropped that is to be looked at; `None` for all others, after a few
    /// comparisons. Not every one of the places that say nothing has dropped for size.
    #[inline(always)]
    #[must_use]
    pub fn place(&self, reason: u32, location: u64) -> Option<Place> {
        if reason == 0 {
            return None;
        }
        if reason == self.too_big {
            return Some(self.at(location).unwrap_or(Place::Other));
        }
        if reason != self.unspecified {
            return None;
        }
        self.at(location).filter(|place| place.is_silent())
    }

    #[inline(always)]
    fn at(&self, location: u64) -> Option<Place> {
        let mut held = self.stretches.iter();
        let found = held.find(|stretch| stretch.holds(location))?;
        #[expect(clippy::cast_possible_truncation, reason = "a number of a place")]
        Place::from_number(found.place as u8)
    }
}

/// Link header that a bridge and a veth let pass beside the device's own: one VLAN tag (kernel:
/// include/linux/netdevice.h, `__is_skb_forwardable`), bytes.
const VLAN_TAG: u32 = 4;

/// The device that was too narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrow {
    /// Its MTU, bytes.
    pub mtu: u32,
    /// Its link header, bytes.
    pub header: u16,
}

impl Narrow {
    /// True if a buffer was dropped for its size at this place: it is not cut into segments, has
    /// `length` bytes from where that place looks at it, and that is too much.
    #[inline(always)]
    #[must_use]
    pub const fn refuses(&self, place: Place, length: u32, gso_size: u32) -> bool {
        match place {
            Place::IpForward | Place::Ip6Forward | Place::Other => true,
            Place::BridgeNetfilter => gso_size == 0 && length > self.mtu,
            Place::BridgePort | Place::VethToNode | Place::VethToPod => {
                let room = self.mtu.saturating_add(self.header as u32 + VLAN_TAG);
                gso_size == 0 && length > room
            }
        }
    }
}

/// Key of `drops`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct DropKey {
    /// The device of the agent's namespace: the one that was too narrow, or its veth peer if that one
    /// is in another namespace.
    pub ifindex: u32,
    /// The kernel's number of the reason.
    pub reason: u32,
    /// Path number.
    pub path: u16,
    /// A [`Place`].
    pub place: u8,
    /// Direction along the path.
    pub direction: u8,
}

/// Value of `drops`: of one place, device and path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DropValue<W32, W64> {
    /// Packets: segments of aggregates one by one.
    pub packets: W64,
    /// L3 bytes of the innermost packets.
    pub bytes: W64,
    /// Largest L3 length of an innermost packet, bytes.
    pub largest: W32,
    /// MTU of the device that was too narrow, at the last drop, bytes.
    pub mtu: W32,
}

/// A value copied out of its map.
pub type DropRecord = DropValue<u32, u64>;

const _: () = {
    assert!(size_of::<DropKey>() == 12);
    assert!(size_of::<DropRecord>() == 24);
};

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_BIG: u32 = 93;
    const UNSPECIFIED: u32 = 2;

    fn rules() -> DropRules {
        let mut rules = DropRules {
            too_big: TOO_BIG,
            unspecified: UNSPECIFIED,
            ..DropRules::default()
        };
        let known = [Place::IpForward, Place::BridgePort, Place::VethToNode];
        for (slot, (nth, place)) in rules.stretches.iter_mut().zip((1..).zip(known)) {
            *slot = Stretch {
                start: nth * 0x1000,
                length: 0x100,
                place: u32::from(place as u8),
            };
        }
        rules
    }

    #[test]
    fn reason_and_place_decide_together() {
        for (reason, location, place) in [
            (TOO_BIG, 0x1010, Some(Place::IpForward)),
            (TOO_BIG, 0x9999, Some(Place::Other)),
            (TOO_BIG, 0x2010, Some(Place::BridgePort)),
            (UNSPECIFIED, 0x2010, Some(Place::BridgePort)),
            (UNSPECIFIED, 0x3010, Some(Place::VethToNode)),
            (UNSPECIFIED, 0x1010, None),
            (UNSPECIFIED, 0x9999, None),
            (7, 0x2010, None),
            (0, 0x2010, None),
        ] {
            let found = rules().place(reason, location);
            assert_eq!(found, place, "reason {reason} at {location:#x}");
        }
    }

    #[test]
    fn a_call_returns_behind_its_first_byte_and_at_most_right_behind_the_function() {
        let places = [0x2000, 0x2001, 0x2100, 0x2101].map(|at| rules().place(UNSPECIFIED, at));
        assert_eq!(
            places.map(|place| place.is_some()),
            [false, true, true, false]
        );
    }

    #[test]
    fn rules_that_nobody_wrote_take_nothing() {
        let rules = DropRules::default();
        for reason in [0, 1, 2, 93] {
            assert_eq!(rules.place(reason, 0), None);
            assert_eq!(rules.place(reason, 1), None);
        }
    }

    #[test]
    fn a_port_lets_pass_what_the_kernel_lets_pass() {
        let port = Narrow {
            mtu: 1_230,
            header: 14,
        };
        for (place, length, gso_size, refused) in [
            (Place::BridgePort, 1_248, 0, false),
            (Place::BridgePort, 1_249, 0, true),
            (Place::VethToNode, 1_248, 0, false),
            (Place::VethToPod, 1_249, 0, true),
            (Place::VethToPod, 9_000, 1_000, false),
            (Place::BridgeNetfilter, 1_230, 0, false),
            (Place::BridgeNetfilter, 1_231, 0, true),
            (Place::IpForward, 100, 0, true),
        ] {
            let found = port.refuses(place, length, gso_size);
            assert_eq!(found, refused, "{place:?}, {length}");
        }
    }

    #[test]
    fn every_place_has_its_number() {
        for (number, place) in (0..).zip(Place::ALL) {
            assert_eq!(Place::from_number(number), Some(place));
            assert_eq!(place as u8, number);
        }
        assert_eq!(Place::from_number(7), None);
    }
}
