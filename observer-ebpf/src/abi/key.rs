//! Keys: addresses, the canonical flow key, the pair key. Builds keys; knows no packet formats.

use core::cmp::Ordering;
use core::net::{IpAddr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::point::FlowDirection;

/// An IPv6 address, or an IPv4 address mapped into `::ffff:0:0/96` (RFC 4291, 2.5.5.2). Memory
/// holds it in network order; 8-byte words because the kernel side needs aligned stack slots.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Address {
    words: [u64; 2],
}

impl Address {
    /// All bits zero.
    pub const UNSPECIFIED: Self = Self { words: [0, 0] };

    /// From the four octets of an IPv4 address.
    #[inline(always)]
    #[must_use]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self {
            words: [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])],
        }
    }

    /// From the sixteen octets of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn v6(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self {
            words: [
                u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
                u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
            ],
        }
    }

    /// The sixteen octets in network order.
    #[must_use]
    pub const fn octets(&self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.words[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.words[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// True if `(self & mask) == value`, octet by octet.
    #[inline(always)]
    #[must_use]
    pub const fn matches(&self, value: &Self, mask: &Self) -> bool {
        (self.words[0] & mask.words[0]) == value.words[0]
            && (self.words[1] & mask.words[1]) == value.words[1]
    }

    /// The two words in memory order, for hashing.
    #[inline(always)]
    pub(crate) const fn words(&self) -> [u64; 2] {
        self.words
    }

    /// True if all bits are zero.
    #[must_use]
    pub const fn is_unspecified(&self) -> bool {
        self.words[0] == 0 && self.words[1] == 0
    }
}

impl From<Address> for IpAddr {
    /// IPv4 where the octets are a mapped IPv4 address.
    fn from(address: Address) -> Self {
        let address = Ipv6Addr::from(address.octets());
        address.to_ipv4_mapped().map_or(Self::V6(address), Self::V4)
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::v4(address.octets()),
            IpAddr::V6(address) => Self::v6(address.octets()),
        }
    }
}

impl Ord for Address {
    #[inline(always)]
    fn cmp(&self, other: &Self) -> Ordering {
        let [a, b] = self.words;
        let [c, d] = other.words;
        (u64::from_be(a), u64::from_be(b)).cmp(&(u64::from_be(c), u64::from_be(d)))
    }
}

impl PartialOrd for Address {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Address family in a key: without it a forged `::ffff:` address would meet its IPv4 twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FlowKind {
    /// One flow with its ports, or a protocol without ports.
    Flow = 0,
    /// Later fragments (RFC 791: offset above 0) between two addresses: they carry no ports.
    LaterFragments = 1,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// IP address.
    pub address: Address,
    /// Port, or the identifier of an ICMP echo at both ends, or 0.
    pub port: u16,
}

/// The canonical inner flow: both directions share one key, its ends in ascending order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowKey {
    /// The lower address.
    pub low: Address,
    /// The higher address.
    pub high: Address,
    /// Port of the lower end, network order.
    pub low_port: [u8; 2],
    /// Port of the higher end, network order.
    pub high_port: [u8; 2],
    /// IP protocol number.
    pub protocol: u8,
    /// A [`FlowKind`].
    pub kind: u8,
    /// A [`Family`].
    pub family: u8,
    /// Zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<FlowKey>() == 40);

impl FlowKey {
    /// The key of nothing.
    pub const EMPTY: Self = Self {
        low: Address::UNSPECIFIED,
        high: Address::UNSPECIFIED,
        low_port: [0; 2],
        high_port: [0; 2],
        protocol: 0,
        kind: 0,
        family: 0,
        reserved: 0,
    };

    /// Orders the two ends by address as big-endian words, equal addresses by port.
    #[must_use]
    pub fn canonical(
        source: Endpoint,
        destination: Endpoint,
        protocol: u8,
        (kind, family): (FlowKind, Family),
    ) -> (Self, FlowDirection) {
        let mut key = Self {
            protocol,
            kind: kind as u8,
            family: family as u8,
            ..Self::EMPTY
        };
        let direction = key.set_addresses(source.address, destination.address);
        let direction = key.set_ports(direction, source.port, destination.port);
        (key, direction)
    }

    /// Stores both addresses in order; equal ones count as low to high until the ports are known.
    #[inline(always)]
    pub(crate) fn set_addresses(&mut self, source: Address, destination: Address) -> FlowDirection {
        if source <= destination {
            (self.low, self.high) = (source, destination);
            FlowDirection::LowToHigh
        } else {
            (self.low, self.high) = (destination, source);
            FlowDirection::HighToLow
        }
    }

    /// Stores both ports in the order of the addresses, or their own between equal addresses.
    #[inline(always)]
    pub(crate) fn set_ports(
        &mut self,
        direction: FlowDirection,
        source: u16,
        destination: u16,
    ) -> FlowDirection {
        let turned = source > destination && self.low == self.high;
        let direction = if turned {
            FlowDirection::HighToLow
        } else {
            direction
        };
        let (low, high) = match direction {
            FlowDirection::LowToHigh => (source, destination),
            FlowDirection::HighToLow => (destination, source),
        };
        (self.low_port, self.high_port) = (low.to_be_bytes(), high.to_be_bytes());
        direction
    }

    /// (source, destination) address of a packet of this direction.
    #[inline(always)]
    #[must_use]
    pub const fn ends(&self, direction: FlowDirection) -> (Address, Address) {
        match direction {
            FlowDirection::LowToHigh => (self.low, self.high),
            FlowDirection::HighToLow => (self.high, self.low),
        }
    }

    /// The addresses alone.
    #[inline(always)]
    #[must_use]
    pub const fn pair(&self) -> PairKey {
        PairKey {
            low: self.low,
            high: self.high,
        }
    }
}

/// Key of `pairs`: two addresses in ascending order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PairKey {
    /// The lower address.
    pub low: Address,
    /// The higher address.
    pub high: Address,
}

const _: () = assert!(size_of::<PairKey>() == 32);

/// Key of `networks`: a prefix of an (IPv4-mapped) IPv6 address, as the kernel's LPM trie wants it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct NetworkKey {
    /// Prefix length in bits, native order; IPv4 prefixes count from 96.
    pub length: u32,
    /// Address in network order.
    pub octets: [u8; 16],
}

const _: () = assert!(size_of::<NetworkKey>() == 20);
