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
        // As one word: of eight octets the compiler makes eight loads where registers are short.
        let address = u32::from_ne_bytes(octets) as u64;
        let last = if cfg!(target_endian = "little") {
            (address << 32) | 0xffff_0000
        } else {
            address | (0xffff << 32)
        };
        Self { words: [0, last] }
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

    /// The last four octets: of an IPv4 address all of it, as a number.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(crate) const fn low_word(&self) -> u32 {
        u64::from_be(self.words[1]) as u32
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
    /// Later fragments (RFC 791: offset above 0) between two addresses: they carry no ports, and have no
    /// entry of their own.
    LaterFragments = 1,
    /// An ICMP error about the flow with these ends and ports: it has no entry of its own.
    IcmpError = 2,
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
        let direction = key.set_ends(source, destination);
        (key, direction)
    }

    /// Stores both ends in order, and says which way a packet between them goes.
    #[inline(always)]
    pub(crate) fn set_ends(&mut self, source: Endpoint, destination: Endpoint) -> FlowDirection {
        let (a, b) = (source.address.words, destination.address.words);
        let ports = (u64::from(source.port), u64::from(destination.port));
        // All ones if the ends are to be swapped. A branch would be taken every second packet of a
        // conversation; arithmetic is never predicted wrongly.
        let swap = swap(
            [a[0], a[1]].map(u64::from_be),
            [b[0], b[1]].map(u64::from_be),
            ports,
        );
        let (first, second) = ((a[0] ^ b[0]) & swap, (a[1] ^ b[1]) & swap);
        self.low.words = [a[0] ^ first, a[1] ^ second];
        self.high.words = [b[0] ^ first, b[1] ^ second];
        let change =
            (source.port ^ destination.port) & u16::MAX.wrapping_mul(u16::from(swap & 1 != 0));
        self.low_port = (source.port ^ change).to_be_bytes();
        self.high_port = (destination.port ^ change).to_be_bytes();
        FlowDirection::of_bit(swap & 1)
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

/// All ones if end `b` comes before end `a`: by address, equal ones by port.
#[inline(always)]
const fn swap(a: [u64; 2], b: [u64; 2], (a_port, b_port): (u64, u64)) -> u64 {
    let by_port = below(b_port, a_port);
    let by_second = below(b[1], a[1]) | (equal(a[1], b[1]) & by_port);
    let by_first = below(b[0], a[0]) | (equal(a[0], b[0]) & by_second);
    0_u64.wrapping_sub(by_first)
}

/// 1 if `a < b`, else 0: the borrow of their difference.
#[inline(always)]
const fn below(a: u64, b: u64) -> u64 {
    ((!a & b) | ((!a | b) & a.wrapping_sub(b))) >> 63
}

/// 1 if both are equal, else 0.
#[inline(always)]
const fn equal(a: u64, b: u64) -> u64 {
    let different = a ^ b;
    ((different | different.wrapping_neg()) >> 63) ^ 1
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

impl PairKey {
    /// The pair of a packet, and the packet's direction in it.
    #[inline(always)]
    #[must_use]
    pub(crate) fn of(source: Address, destination: Address) -> (Self, FlowDirection) {
        let end = |address| Endpoint { address, port: 0 };
        let mut key = FlowKey::EMPTY;
        let direction = key.set_ends(end(source), end(destination));
        (key.pair(), direction)
    }
}

/// Entries of `nodes`: two addresses for each of 512 nodes.
pub const NODES: u32 = 1024;

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
